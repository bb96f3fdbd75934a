// SPDX-License-Identifier: Apache-2.0

//! Random work on a log, against a list of shards.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// From so far before the end.
    Append {
        back: u64,
        shards: Vec<(usize, u64)>,
    },
    Commit {
        at: prop::sample::Index,
    },
    Trim {
        at: prop::sample::Index,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let shards = prop::collection::vec((0usize..3, any::<u64>()), 0..5);
    prop_oneof![
        6 => (prop_oneof![2 => Just(0), 1 => 0u64..4], shards).prop_map(|(back, shards)| Step::Append { back, shards }),
        2 => any::<prop::sample::Index>().prop_map(|at| Step::Commit { at }),
        1 => any::<prop::sample::Index>().prop_map(|at| Step::Trim { at }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_log_is_a_list_of_shards(steps in prop::collection::vec(step(), 1..25)) {
        let mut bench = Bench::with_log();
        let (mut shards, mut committed, mut trimmed) = (Vec::<Vec<u8>>::new(), 0usize, 0usize);
        for step in steps {
            match step {
                Step::Append { back, shards: new } => {
                    let first = shards.len().saturating_sub(back as usize);
                    let new: Vec<_> = new.into_iter().map(|(size, seed)| shard(ShardSize::ALL[size], seed)).collect();
                    let result = bench.append(first as u64, &new);
                    if first < committed {
                        let refused = matches!(result, Err(StoreError::Kept { leaves }) if leaves == committed as u64);
                        prop_assert!(refused);
                    } else {
                        shards.truncate(first);
                        shards.extend(new);
                        prop_assert_eq!(result.expect("it is taken"), range_of(&shards));
                    }
                },
                Step::Commit { at } => {
                    let count = at.index(shards.len() + 1).max(trimmed);
                    bench.store().commit(AT, range_of(&shards[..count]).units()).expect("a shard ends there");
                    committed = committed.max(count);
                },
                Step::Trim { at } => {
                    let count = at.index(committed + 1);
                    bench.store().trim(AT, range_of(&shards[..count]).units()).expect("it is committed");
                    trimmed = trimmed.max(count);
                },
                Step::Restart => bench.restart(),
            }
            let head = bench.store().head(AT).expect("the log");
            prop_assert_eq!(head.committed_leaves, committed as u64);
        }
        check(bench.store(), AT, &shards, trimmed);
        for count in trimmed..=shards.len() {
            let older = range_of(&shards[..count]);
            prop_assert_eq!(bench.store().prefix(AT, older.units()).expect("a shard ends there"), older);
        }
    }
}
