// SPDX-License-Identifier: Apache-2.0

//! Whatever bytes a manifest has: it is refused, or read as something that comes back when it is written again; and the tree
//! of it has nothing that lies outside of it.

#![no_main]

use cairn_drive::{
    manifest::{Head, Part, Root, Segment, Tree},
    share::Link,
    DrivePath,
};
use cairn_primitives::storage::Coding;
use codec::DecodeAll;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let coding = [Coding::K1, Coding::K2, Coding::K4, Coding::K8][usize::from(choice % 4)];
    if let Ok(head) = Head::from_bytes(bytes) {
        assert_eq!(head.to_bytes(), bytes);
    }
    let _ = Root::from_bytes(bytes, 0, coding);
    if let Ok(Part::Apart(index)) = Part::decode_all(&mut &bytes[..]) {
        let _ = index.check(coding, 1 << 20);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(path) = DrivePath::parse(text) {
            assert!(path.as_str().split('/').all(|name| name != ".." && name != "."));
        }
        let _ = Link::from_text(text);
    }
    if let Ok(segment) = Segment::from_bytes(bytes, coding) {
        let again = segment.to_bytes(coding).expect("as long as it was, or shorter");
        assert_eq!(Segment::from_bytes(&again, coding).as_ref(), Ok(&segment));
        if let Ok(tree) = Tree::from_segments([&segment]) {
            for (path, _) in tree.iter() {
                let parent = path.parent().expect("the top is no entry");
                assert!(tree.is_directory(&parent));
                assert!(tree.children(&parent).expect("a directory").iter().any(|(child, _)| *child == path));
            }
        }
    }
});
