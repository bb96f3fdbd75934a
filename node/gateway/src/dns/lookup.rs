// SPDX-License-Identifier: Apache-2.0

//! Finding a name in a snapshot: the walk of RFC 1034, section 4.3.2, with wildcards as of RFC 4592.

use super::compiled::{Compiled, Node};
use super::snapshot::{Snapshot, TtlCap};
use super::wire::{NameBuf, NAME_BYTES_MAX};

/// Where a walk ended.
pub enum Found<'s> {
    /// The name is not in this zone.
    Outside,
    /// The name exists, or a wildcard stands in for it.
    Node {
        /// Its records; none for an empty non-terminal.
        node: Node<'s>,
        /// Highest time to live.
        cap: TtlCap,
        /// Whether it is the zone's apex.
        is_apex: bool,
    },
    /// Authority ends at or above the name.
    Cut {
        /// The node with the NS records.
        cut: Node<'s>,
        /// Index of the label of the name where the cut is.
        at: usize,
        /// Highest time to live.
        cap: TtlCap,
    },
    /// The name does not exist.
    Missing {
        /// Index of the label that the first name on the way down which does not exist begins with.
        next_closer: usize,
        /// The node directly above that.
        above: Node<'s>,
        /// Whether that is the apex.
        above_is_apex: bool,
    },
}

fn root_node(name: &Compiled) -> Node<'_> {
    name.node(b"").expect("a block has a node for its label")
}

/// Looks up `name`. At a cut, `at_parent` asks for what the parent's side has there (DS).
pub fn lookup<'s>(snapshot: &'s Snapshot, name: &NameBuf, at_parent: bool) -> Found<'s> {
    if !name.is_in_zone() {
        return Found::Outside;
    }
    let apex = root_node(snapshot.apex());
    // Labels to the left of the registered one.
    let Some(below) = name.count().checked_sub(2) else {
        return Found::Node { node: apex, cap: TtlCap(u32::MAX), is_apex: true };
    };
    let Some((registered, cap)) = snapshot.get(name.label(below)) else {
        return Found::Missing { next_closer: below, above: apex, above_is_apex: true };
    };
    let relative = |at: usize| &name.wire()[name.start(at)..name.start(below)];
    let mut above = root_node(registered);
    for at in (0..=below).rev() {
        let Some(node) = registered.node(relative(at)) else {
            return match wildcard(registered, relative(at + 1)) {
                Some(node) => Found::Node { node, cap, is_apex: false },
                None => Found::Missing { next_closer: at, above, above_is_apex: false },
            };
        };
        if node.is_cut() && !(at == 0 && at_parent) {
            return Found::Cut { cut: node, at, cap };
        }
        above = node;
    }
    Found::Node { node: above, cap, is_apex: false }
}

/// The wildcard directly below `above`.
fn wildcard<'s>(registered: &'s Compiled, above: &[u8]) -> Option<Node<'s>> {
    let mut name = [0; NAME_BYTES_MAX + 2];
    let end = 2 + above.len();
    name[..2].copy_from_slice(b"\x01*");
    name[2..end].copy_from_slice(above);
    registered.node(&name[..end])
}

/// The node with exactly this name, whatever cuts are above it: for glue.
pub fn exact<'s>(snapshot: &'s Snapshot, name: &NameBuf) -> Option<(Node<'s>, TtlCap)> {
    let below = name.count().checked_sub(2).filter(|_| name.is_in_zone())?;
    let (registered, cap) = snapshot.get(name.label(below))?;
    Some((registered.node(&name.wire()[..name.start(below)])?, cap))
}
