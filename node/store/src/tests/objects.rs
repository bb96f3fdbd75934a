// SPDX-License-Identifier: Apache-2.0

//! Logs whose bytes are objects. The store of objects is a folder, or one that fails when it is told to.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use object_store::{
    memory::InMemory, path::Path as Key, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use proptest::prelude::*;

use super::*;
use crate::{Bulk, ObjectDisk};

/// Sixteen small shards.
const SEGMENT: u64 = 64 << 10;

/// A store of objects that can be cut off.
#[derive(Debug, Default)]
struct Cloud {
    objects: InMemory,
    cut_off: AtomicBool,
}

impl std::fmt::Display for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a cloud")
    }
}

impl Cloud {
    fn check(&self) -> object_store::Result<()> {
        let down = object_store::Error::Generic { store: "cloud", source: "it is cut off".into() };
        if self.cut_off.load(SeqCst) {
            Err(down)
        } else {
            Ok(())
        }
    }

    fn count(&self) -> usize {
        let listing = futures::StreamExt::collect::<Vec<_>>(self.objects.list(None));
        futures::executor::block_on(listing).len()
    }
}

#[async_trait::async_trait]
impl ObjectStore for Cloud {
    async fn put_opts(&self, at: &Key, bytes: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.check()?;
        self.objects.put_opts(at, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Key,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Key, options: GetOptions) -> object_store::Result<GetResult> {
        self.check()?;
        self.objects.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        keys: futures::stream::BoxStream<'static, object_store::Result<Key>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Key>> {
        self.objects.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> futures::stream::BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> object_store::Result<ListResult> {
        self.check()?;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> object_store::Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

struct Remote {
    folder: tempfile::TempDir,
    cloud: Arc<Cloud>,
    disk: Option<Arc<ObjectDisk>>,
    store: Option<Store>,
}

impl Bulk for Arc<ObjectDisk> {
    fn create(&self, at: SlotAt) -> std::io::Result<Arc<dyn crate::BulkLog>> {
        (**self).create(at)
    }
    fn open(&self, at: SlotAt) -> std::io::Result<Arc<dyn crate::BulkLog>> {
        (**self).open(at)
    }
    fn remove(&self, at: SlotAt) -> std::io::Result<()> {
        (**self).remove(at)
    }
    fn create_again(&self, at: SlotAt, bytes: u64) -> std::io::Result<Arc<dyn crate::BulkLog>> {
        (**self).create_again(at, bytes)
    }
    fn list(&self) -> std::io::Result<Vec<SlotAt>> {
        (**self).list()
    }
    fn free_bytes(&self) -> std::io::Result<u64> {
        (**self).free_bytes()
    }
    fn total_bytes(&self) -> std::io::Result<u64> {
        (**self).total_bytes()
    }
}

impl Remote {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut remote = Remote { folder, cloud: Arc::default(), disk: None, store: None };
        remote.restart();
        remote.store().create(AT, Range::default()).expect("there is none");
        remote
    }

    fn restart(&mut self) {
        (self.store, self.disk) = (None, None);
        let tails = self.folder.path().join("tails");
        let cloud = Arc::clone(&self.cloud);
        let disk = Arc::new(ObjectDisk::with_store(cloud, Key::from("vault"), &tails, SEGMENT).expect("it answers"));
        let options = Options { reserve_bytes: 1000, ..Options::default() };
        let store = Store::with_bulk(self.folder.path(), Box::new(Arc::clone(&disk)), options).expect("it opens");
        (self.disk, self.store) = (Some(disk), Some(store));
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    fn append(&self, first: u64, shards: &[Vec<u8>]) -> Result<Range, StoreError> {
        let sizes: Vec<_> = shards.iter().map(|shard| ShardSize::from_bytes(shard.len()).expect("a shard")).collect();
        self.store().append(AT, first, &sizes, &shards.concat())
    }

    /// Until everything that can be an object is one.
    fn settle(&self) {
        until(|| self.disk.as_ref().expect("it is open").waiting(AT) == 0);
    }

    fn tail(&self) -> usize {
        files(&self.folder.path().join("tails/7-3"))
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn whole_segments_become_objects_and_their_files_go() {
    let mut remote = Remote::new();
    let shards = small(100);
    remote.append(0, &shards).expect("they are taken");
    remote.settle();
    assert_eq!((remote.cloud.count(), remote.tail()), (6, 1));
    check(remote.store(), AT, &shards, 0);
    remote.restart();
    check(remote.store(), AT, &shards, 0);
    remote.store().remove(AT).expect("it is there");
    assert_eq!((remote.cloud.count(), remote.tail()), (0, 0));
}

#[test]
fn a_log_can_be_cut_and_go_on_inside_of_an_object() {
    let mut remote = Remote::new();
    let mut shards = small(100);
    remote.append(0, &shards).expect("they are taken");
    remote.settle();
    for cut in [70, 64, 17] {
        shards.truncate(cut);
        shards.extend((0..20).map(|seed| shard(ShardSize::K4, seed + 1000 * cut as u64)));
        remote.append(cut as u64, &shards[cut..]).expect("they are taken");
        check(remote.store(), AT, &shards, 0);
        remote.settle();
        remote.restart();
        check(remote.store(), AT, &shards, 0);
    }
}

#[test]
fn a_store_that_is_cut_off_holds_up_nothing_and_is_no_damage() {
    let remote = Remote::new();
    let shards = small(100);
    remote.append(0, &shards[..50]).expect("they are taken");
    remote.settle();
    remote.cloud.cut_off.store(true, SeqCst);
    remote.append(50, &shards[50..]).expect("a disk is enough");
    let (read, here) = (remote.store().read(AT, 0, 1, 0), remote.store().read(AT, 99, 1, 0));
    assert!(matches!(read, Err(StoreError::Io { .. })), "{read:?}");
    assert_eq!(here.expect("it is here").bytes, shards[99]);
    assert!(matches!(remote.store().scrub(AT, 0, 1 << 20), Err(StoreError::Io { .. })));
    remote.cloud.cut_off.store(false, SeqCst);
    remote.settle();
    assert_eq!(remote.tail(), 1);
    check(remote.store(), AT, &shards, 0);
}

#[test]
fn objects_of_what_is_given_up_go() {
    let mut remote = Remote::new();
    let shards = small(100);
    remote.append(0, &shards).expect("they are taken");
    remote.settle();
    remote.store().commit(AT, 100).expect("a shard ends there");
    for trimmed in [10, 20, 70] {
        remote.store().trim(AT, trimmed).expect("it is committed");
        check(remote.store(), AT, &shards, trimmed as usize);
    }
    until(|| remote.cloud.count() == 2);
    remote.restart();
    check(remote.store(), AT, &shards, 70);
}

#[test]
fn a_lost_or_rotten_object_is_damage_and_can_be_mended() {
    let mut remote = Remote::new();
    let shards = small(40);
    remote.append(0, &shards).expect("they are taken");
    remote.settle();
    let key = |segment: u64| Key::from(format!("vault/7-3/{segment:016x}"));
    let spoilt = vec![7u8; SEGMENT as usize];
    futures::executor::block_on(async {
        remote.cloud.objects.delete(&key(0)).await.expect("it is there");
        remote.cloud.objects.put(&key(1), spoilt.into()).await.expect("it is taken");
    });
    let scrubbed = remote.store().scrub(AT, 0, 1 << 20).expect("readable");
    assert_eq!(scrubbed.damaged, (0..32).collect::<Vec<u64>>());
    for leaf in 0..32 {
        remote.store().rewrite(AT, leaf, &shards[leaf as usize]).expect("it belongs there");
    }
    remote.settle();
    remote.restart();
    check(remote.store(), AT, &shards, 0);
    assert_eq!(remote.tail(), 1);
}

#[test]
fn a_log_that_begins_behind_a_long_front_takes_no_room_for_it() {
    let remote = Remote::new();
    let front = range_of(&small(64));
    remote.store().create(OTHER, front).expect("there is none");
    let shard = shard(ShardSize::K4, 5);
    remote.store().append(OTHER, 64, &[ShardSize::K4], &shard).expect("it is taken");
    assert_eq!(remote.store().read(OTHER, 64, 1, 0).expect("it is there").bytes, shard);
    assert_eq!(files(&remote.folder.path().join("tails/7-4")), 1);
    assert_eq!(remote.cloud.count(), 0);
}

/// The folder of this machine with what isn't uploaded yet is lost, or not mounted; or the index is.
#[test]
fn what_is_an_object_stays_when_the_folder_of_the_rest_or_the_index_is_lost() {
    let mut remote = Remote::new();
    let shards = small(100);
    remote.append(0, &shards).expect("they are taken");
    remote.settle();
    let objects = remote.cloud.count();
    (remote.store, remote.disk) = (None, None);
    std::fs::remove_dir_all(remote.folder.path().join("tails")).expect("it was there");
    remote.restart();
    assert_eq!(remote.cloud.count(), objects);
    let store = remote.store();
    assert!(store.lost_shards().expect("readable"));
    let damaged = store.scrub(AT, 0, u64::MAX).expect("readable").damaged;
    assert_eq!(damaged, (96..100).collect::<Vec<u64>>(), "six segments of sixteen shards were objects");

    (remote.store, remote.disk) = (None, None);
    std::fs::remove_dir_all(remote.folder.path().join("index")).expect("it was there");
    let tails = remote.folder.path().join("tails");
    let disk = ObjectDisk::with_store(remote.cloud.clone(), Key::from("vault"), &tails, SEGMENT).expect("it answers");
    let opened = Store::with_bulk(remote.folder.path(), Box::new(disk), Options::default());
    assert!(matches!(opened, Err(StoreError::IndexLost { logs: 1 })));
    assert_eq!(remote.cloud.count(), objects);
}

#[test]
fn a_store_knows_where_its_objects_are() {
    let (folder, bucket) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let url = |name: &str| {
        let path = bucket.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        format!("file://{}", path.display())
    };
    let options = Options { reserve_bytes: 0, ..Options::default() };
    let store = Store::open_objects(folder.path(), &url("a"), options).expect("it opens");
    store.create(AT, Range::default()).expect("there is none");
    let shards: Vec<_> = (0..40).map(|seed| shard(ShardSize::K256, seed)).collect();
    let sizes = vec![ShardSize::K256; 40];
    store.append(AT, 0, &sizes, &shards.concat()).expect("they are taken");
    drop(store);
    for wrong in [Store::open(folder.path(), options), Store::open_objects(folder.path(), &url("b"), options)] {
        assert!(matches!(wrong, Err(StoreError::Elsewhere(_))));
    }
    let store = Store::open_objects(folder.path(), &url("a"), options).expect("it opens");
    until(|| files(&bucket.path().join("a/7-3")) == 1);
    check(&store, AT, &shards, 0);
    drop(store);

    let local = tempfile::tempdir().expect("a folder");
    drop(Store::open(local.path(), options).expect("it opens"));
    let mixed = Store::open_objects(local.path(), &url("c"), options);
    assert!(matches!(mixed, Err(StoreError::Elsewhere(_))));
    for bad in ["nonsense", "ftp://somewhere", "s3://"] {
        let refused = Store::open_objects(&local.path().join("new"), bad, options);
        assert!(matches!(refused, Err(StoreError::Objects(_))), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// Against a list of shards, with restarts and outages at any time.
    #[test]
    fn a_log_of_objects_is_a_list_of_shards(steps in prop::collection::vec((0u8..8, 0u64..60, 1u64..40), 1..20)) {
        let mut remote = Remote::new();
        let (mut shards, mut committed, mut trimmed, mut next) = (Vec::<Vec<u8>>::new(), 0usize, 0usize, 0u64);
        for (kind, back, count) in steps {
            match kind {
                0..=3 => {
                    let first = shards.len().saturating_sub(back as usize).max(committed);
                    shards.truncate(first);
                    shards.extend((0..count).map(|number| shard(ShardSize::K4, next + number)));
                    next += count;
                    // What is cut may have to be fetched.
                    remote.cloud.cut_off.store(false, SeqCst);
                    prop_assert_eq!(remote.append(first as u64, &shards[first..]).expect("taken"), range_of(&shards));
                },
                4 => {
                    committed = committed.max(shards.len().saturating_sub(back as usize));
                    remote.store().commit(AT, committed as u64).expect("a shard ends there");
                },
                5 => {
                    trimmed = trimmed.max(committed.saturating_sub(back as usize));
                    remote.store().trim(AT, trimmed as u64).expect("it is committed");
                },
                6 => {
                    remote.cloud.cut_off.store(false, SeqCst);
                    remote.restart();
                },
                _ => remote.cloud.cut_off.store(true, SeqCst),
            }
        }
        remote.cloud.cut_off.store(false, SeqCst);
        check(remote.store(), AT, &shards, trimmed);
        remote.restart();
        check(remote.store(), AT, &shards, trimmed);
        remote.settle();
        prop_assert_eq!(remote.tail(), 1);
        check(remote.store(), AT, &shards, trimmed);
    }
}
