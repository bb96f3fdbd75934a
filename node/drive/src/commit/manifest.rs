// SPDX-License-Identifier: Apache-2.0

//! Writing a version's manifest: tables, levels, ranges, and last the root page.

use bytes::Bytes;
use cairn_primitives::storage::{Coding, ShardSize};
use codec::Encode;
use zeroize::Zeroizing;

use super::{
    log::{Log, RangesNow},
    Failed, Plan, Step,
};
use crate::{
    drive::{Drive, Loaded},
    keys::DriveKey,
    manifest::{
        merged_levels, DecodeBudget, Entry, Head, Index, LevelRef, ManifestError, Part, Ranges, Root, RootParts,
        Segment, StripeRun, Table, Tree, TreeError, SEGMENT_BYTES_MAX,
    },
    page::{self, PageRef, SEALED_OVERHEAD},
    path::DrivePath,
    share::Link,
    upload::{
        fan::{Fan, Stripe},
        layout::{full_stripe_bytes, stripe_bytes, tail},
        Journal,
    },
    DriveError,
};

/// Bytes of tables that go with the entries; longer ones are parts of their own, which only those read who need them.
const TABLE_BYTES_HERE: usize = 1024;
/// Bytes of a root page that can be filled with the newest changes.
const ROOT_BYTES: usize = ShardSize::K4.bytes() - SEALED_OVERHEAD;
/// Bytes that a file's place can take more than a place of 0.
const PLACE_BYTES_MAX: usize = 13;
/// Bytes that the tables of new content may take in a segment: one of them names a MiB of ids, of 4 GiB at least.
const TABLES_SLACK: usize = 256 << 10;
/// Encoding around the bytes in a page.
const PART_OVERHEAD: usize = 8;

pub(super) struct ManifestWriter<'a> {
    pub drive: &'a Drive,
    /// What the parts' salts follow from.
    pub secret: Zeroizing<[u8; 32]>,
    pub started_ms: i64,
    pub fan: &'a mut Fan,
    pub log: &'a mut Log,
}

/// What was written.
pub(super) struct Written {
    pub head: Head,
}

impl ManifestWriter<'_> {
    /// Writes everything that the new version's manifest needs.
    pub async fn write(
        mut self,
        plan: &Plan,
        mut changed: Segment,
        tree: &Tree,
        runs: Vec<StripeRun>,
    ) -> Result<Written, Failed> {
        let key = self.drive.access.key.clone();
        changed.tables = self.tables(runs, &key).await?;
        let root = self.root(plan, changed, tree, &key).await?;
        let plain = root.encode();
        let too_long = || DriveError::from(ManifestError("the root page would be too long"));
        let size = page::page_size(plain.len()).ok_or_else(too_long)?;
        let sealed = page::seal(&key, &self.secret, &plain, size.bytes()).map_err(DriveError::from)?;
        let root = self.page(sealed).await?;
        Ok(Written { head: Head { generation: key.generation(), key_name: key.name(), root } })
    }

    /// The ids of content: with the entries if they are short, else apart.
    async fn tables(&mut self, runs: Vec<StripeRun>, key: &DriveKey) -> Result<Vec<Table>, Failed> {
        let coding = self.log.coding();
        let mut tables = Vec::with_capacity(runs.len());
        if runs.encoded_size() <= TABLE_BYTES_HERE {
            tables.extend(runs.into_iter().map(Table::Here));
            return Ok(tables);
        }
        let (mut rest, mut bytes) = (Vec::new(), 0);
        let last = runs.len() - 1;
        for (index, run) in runs.into_iter().enumerate() {
            bytes += run.encoded_size();
            rest.push(run);
            if bytes < 1 << 20 && index < last {
                continue;
            }
            let first = rest[0].first;
            let end = rest[rest.len() - 1].end(coding);
            let units = rest.iter().map(|run| run.stripes(coding) * run.size.units()).sum();
            let page = self.part(&rest.encode(), key).await?;
            tables.push(Table::Apart { first, end, units, page });
            (rest, bytes) = (Vec::new(), 0);
        }
        Ok(tables)
    }

    /// Levels and ranges, and the root page that names them.
    async fn root(&mut self, plan: &Plan, changed: Segment, tree: &Tree, key: &DriveKey) -> Result<Root, Failed> {
        let (state, loaded) = (&self.drive.state, &self.drive.loaded);
        let compact = plan.compact_before.is_some();
        let parts = RootParts {
            drive: state.id,
            version: state.version + 1,
            time_ms: u64::try_from(self.started_ms).unwrap_or_default(),
            name: plan.name.clone().unwrap_or_else(|| self.drive.name()),
            first_stripe: self.drive.first_free(),
            units_before: state.units,
            previous: self.drive.head.map(|head| head.root).filter(|_| !compact),
        };
        let coding = self.log.coding();
        let mut newest = loaded.newest.clone();
        newest.apply(changed);
        // With what was removed it may be longer than a segment: then it is merged with everything.
        let bytes = newest.to_bytes(coding).ok();
        let mut levels: Vec<LevelRef> = loaded.levels.iter().map(|(level, _)| *level).collect();

        let around =
            Root::new(parts.clone(), self.ranges_outline()).encoded_size() + levels.encoded_size() + PART_OVERHEAD;
        let mut root_newest = Vec::new();
        match bytes.filter(|bytes| around + bytes.len() <= ROOT_BYTES && !compact) {
            Some(bytes) => root_newest = bytes,
            None if compact || !newest.is_empty() => {
                let (kept, segment) = merge(loaded, newest, tree, compact, coding);
                levels.truncate(kept);
                let bytes = segment.to_bytes(coding).map_err(DriveError::from)?;
                let page = self.part(&bytes, key).await?;
                levels.push(LevelRef { page, bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX) });
            },
            None => {},
        }
        let ranges = self.ranges(key).await?;
        let mut root = Root::new(parts, ranges);
        (root.levels, root.newest) = (levels, root_newest);
        Ok(root)
    }

    /// Something as long as the ranges will be.
    fn ranges_outline(&self) -> Ranges {
        match self.log.ranges() {
            RangesNow::Alike(ranges) => ranges,
            RangesNow::Each(ranges) => {
                let coding = self.log.coding();
                let sizes = tail(ranges.encoded_size() + SEALED_OVERHEAD, coding);
                let ids = vec![[0; 32]; usize::from(coding.slots())];
                let run = |size: &ShardSize| StripeRun { first: self.log.next(), size: *size, ids: ids.clone() };
                Ranges::Apart(Index { runs: sizes.iter().map(run).collect() })
            },
        }
    }

    async fn ranges(&mut self, key: &DriveKey) -> Result<Ranges, Failed> {
        match self.log.ranges() {
            RangesNow::Alike(ranges) => Ok(ranges),
            RangesNow::Each(ranges) => Ok(Ranges::Apart(self.apart(&ranges.encode(), key).await?)),
        }
    }

    /// Makes the plan's links: each a segment of its own under a key of its own.
    pub async fn links(&mut self, plan: &Plan, journal: &Journal, genesis: &[u8; 32]) -> Result<Vec<Link>, Failed> {
        let mut links = Vec::new();
        for step in &plan.steps {
            let Step::Link(path) = step else { continue };
            let segment = self.link_segment(path).await?;
            let key = link_key(journal, path)?;
            let bytes = segment.to_bytes(self.log.coding()).map_err(DriveError::from)?;
            let page = self.part(&bytes, &key).await?;
            links.push(Link::new(genesis, self.drive.state.id, page, &key));
        }
        Ok(links)
    }

    async fn link_segment(&self, path: &DrivePath) -> Result<Segment, DriveError> {
        let contents = self.drive.contents();
        let tree = contents.tree();
        let mut segment = Segment::default();
        if let Some(Entry::File(_)) = tree.get(path) {
            let name = DrivePath::parse(path.name().unwrap_or_default())?;
            segment.entries.insert(name, tree.get(path).cloned());
        } else {
            for (below, entry) in tree.below(path) {
                let relative = DrivePath::parse(path.relative(below).unwrap_or_default())?;
                segment.entries.insert(relative, Some(entry.clone()));
            }
        }
        let mut files: Vec<_> = segment.entries.values().flatten().filter_map(Entry::file).cloned().collect();
        files.sort_by_key(|file| (file.stripe, file.offset));
        let mut runs: Vec<StripeRun> = Vec::new();
        for file in &files {
            for run in contents.runs_of_file(file).await? {
                add_run(&mut runs, run, self.log.coding());
            }
        }
        segment.tables = runs.into_iter().map(Table::Here).collect();
        Ok(segment)
    }

    /// Writes a part: as a page if that takes no more room than coded stripes and a page that names them.
    async fn part(&mut self, bytes: &[u8], key: &DriveKey) -> Result<PageRef, Failed> {
        let coding = self.log.coding();
        let here = page::page_size(bytes.len() + PART_OVERHEAD);
        let apart: u64 = cut(bytes.len() + SEALED_OVERHEAD, coding).iter().map(|size| size.units()).sum();
        let part = match here {
            Some(size) if size.units() <= apart + 1 => Part::Here(bytes.to_vec()),
            _ => Part::Apart(self.apart(bytes, key).await?),
        };
        let plain = part.encode();
        let too_long = || DriveError::from(ManifestError("a part of it would be too long"));
        let size = page::page_size(plain.len()).ok_or_else(too_long)?;
        let sealed = page::seal(key, &self.secret, &plain, size.bytes()).map_err(DriveError::from)?;
        self.page(sealed).await
    }

    /// Writes sealed bytes in coded stripes.
    async fn apart(&mut self, bytes: &[u8], key: &DriveKey) -> Result<Index, Failed> {
        let coding = self.log.coding();
        let sizes = cut(bytes.len() + SEALED_OVERHEAD, coding);
        let total = sizes.iter().map(|size| stripe_bytes(*size, coding)).sum();
        let mut sealed = page::seal(key, &self.secret, bytes, total).map_err(DriveError::from)?;
        let mut runs = Vec::new();
        for size in sizes {
            let data: Bytes = sealed.split_to(stripe_bytes(size, coding));
            let stripe = Stripe::coded(coding, data, None).map_err(DriveError::from)?;
            let number = self.log.append(&stripe)?;
            StripeRun::push(&mut runs, number, size, &self.log.ids(&stripe), coding);
            self.fan.push(stripe).await?;
        }
        Ok(Index { runs })
    }

    async fn page(&mut self, sealed: Bytes) -> Result<PageRef, Failed> {
        let stripe = Stripe::page(self.log.coding(), sealed).map_err(DriveError::from)?;
        let page = PageRef { stripe: self.log.append(&stripe)?, size: stripe.size, id: stripe.ids[0] };
        self.fan.push(stripe).await?;
        Ok(page)
    }
}

/// Merges the newest changes with the levels that they are to be merged with; how many of the older levels stay as they are.
fn merge(loaded: &Loaded, newest: Segment, tree: &Tree, all: bool, coding: Coding) -> (usize, Segment) {
    let sizes: Vec<u32> = loaded.levels.iter().map(|(level, _)| level.bytes).collect();
    let with = |kept: usize| {
        let mut segment = Segment::default();
        for (_, level) in &loaded.levels[kept..] {
            segment.apply(level.clone());
        }
        segment.apply(newest.clone());
        if kept == 0 {
            forget_dead(&mut segment, tree, coding);
        }
        segment
    };
    let bytes = newest.to_bytes(coding).map(|bytes| bytes.len());
    let kept = match bytes {
        Ok(bytes) if !all => sizes.len() - merged_levels(&sizes, bytes),
        _ => 0,
    };
    let segment = with(kept);
    // What is gone is named until everything is merged: where that makes it too much, everything is.
    let levels = || loaded.levels[..kept].iter().map(|(_, level)| level).chain([&segment]);
    let path_bytes = levels().map(Segment::path_bytes).sum();
    let entries = levels().map(|level| level.entries.len()).sum();
    let fits = DecodeBudget::levels().allows(path_bytes, entries) && segment.to_bytes(coding).is_ok();
    match kept == 0 || fits {
        true => (kept, segment),
        false => (0, with(0)),
    }
}

/// Whether the manifest can hold what a plan makes of a drive: told before anything is sent. `changed` is what the plan changes,
/// with `puts` files of which it isn't known yet where they will lie; `tree` is what it makes.
///
/// # Errors
/// [`TreeError::ListTooLong`].
pub(super) fn check_fits(
    drive: &Drive,
    changed: &Segment,
    puts: usize,
    tree: &Tree,
    compact: bool,
) -> Result<(), TreeError> {
    let (loaded, coding) = (&drive.loaded, drive.state.coding);
    let path_bytes: usize = tree.iter().map(|(path, _)| path.as_str().len()).sum();
    if !DecodeBudget::one().allows(path_bytes, tree.len()) {
        return Err(TreeError::ListTooLong);
    }
    let slack = PLACE_BYTES_MAX * puts + TABLES_SLACK;
    // Merged, paths share more of their beginnings, and never less.
    let levels: usize = loaded.levels.iter().map(|(level, _)| level.bytes as usize).sum();
    let mut newest = loaded.newest.clone();
    newest.apply(changed.clone());
    let bytes = newest.to_bytes(coding).map(|bytes| bytes.len());
    if bytes.is_ok_and(|bytes| levels + bytes + slack <= SEGMENT_BYTES_MAX) {
        return Ok(());
    }
    let (_, segment) = merge(loaded, newest, tree, compact, coding);
    match segment.to_bytes(coding) {
        Ok(bytes) if bytes.len() + slack <= SEGMENT_BYTES_MAX => Ok(()),
        _ => Err(TreeError::ListTooLong),
    }
}

/// The key of a link: it follows from the command's seed, so that the command makes the same link again after a crash.
pub(super) fn link_key(journal: &Journal, path: &DrivePath) -> Result<DriveKey, DriveError> {
    Ok(DriveKey::from_parts(0, journal.other_key(&format!("link {path}")))?)
}

/// The sizes of stripes for so many bytes.
fn cut(bytes: usize, coding: Coding) -> Vec<ShardSize> {
    let full = full_stripe_bytes(coding);
    let mut sizes = vec![ShardSize::K256; bytes / full];
    sizes.extend(tail(bytes % full, coding));
    sizes
}

/// Adds a run behind others, without the stripes that are there already: files that follow each other share one.
fn add_run(runs: &mut Vec<StripeRun>, run: StripeRun, coding: Coding) {
    let from = runs.last().map_or(0, |last| last.end(coding));
    for stripe in run.first.max(from)..run.end(coding) {
        if let Some(ids) = run.ids_of(stripe, coding) {
            StripeRun::push(runs, stripe, run.size, ids, coding);
        }
    }
}

/// Leaves out of the oldest level what says that something is gone, and tables of stripes in which nothing lies any more.
fn forget_dead(segment: &mut Segment, tree: &Tree, coding: Coding) {
    segment.entries.retain(|_, entry| entry.is_some());
    segment.tables.sort_by_key(|table| table.covers(coding).start);
    let tables = &segment.tables;
    let mut live = vec![false; tables.len()];
    for file in tree.iter().filter_map(|(_, entry)| entry.file()).filter(|file| file.size > 0) {
        let mut left = u64::from(file.offset) + file.stored_bytes();
        let mut stripe = file.stripe;
        let mut index = tables.partition_point(|table| table.covers(coding).start <= stripe);
        while let Some(table) = index.checked_sub(1).and_then(|index| tables.get(index)) {
            let covers = table.covers(coding);
            if !covers.contains(&stripe) {
                break;
            }
            live[index - 1] = true;
            // At least so much lies in the rest of the table; where it isn't known, the least that stripes can hold.
            let size = match table {
                Table::Here(run) => run.size,
                Table::Apart { .. } => ShardSize::K4,
            };
            left = left.saturating_sub((covers.end - stripe) * stripe_bytes(size, coding) as u64);
            if left == 0 {
                break;
            }
            (stripe, index) = (covers.end, index + 1);
        }
    }
    let mut live = live.into_iter();
    segment.tables.retain(|_| live.next().unwrap_or(true));
}
