// SPDX-License-Identifier: Apache-2.0

//! Measured: scripts/weights wrote this file. Do not edit it by hand.

//! THIS FILE WAS AUTO-GENERATED USING THE SUBSTRATE BENCHMARK CLI VERSION 64.0.0
//! DATE: 2026-11-23 (Y/M/D)
//! CPU: `AMD EPYC`
//!
//! DATABASE: `RocksDb`, RUNTIME: `Cairn Development`
//! BLOCK-NUM: `Number(0)`
//! SKIP-WRITE: `false`, SKIP-READ: `false`, WARMUPS: `1`
//! STATE-VERSION: `V1`, STATE-CACHE-SIZE: ``
//! WEIGHT-PATH: `runtime/src/weights/rocksdb_weights.rs`
//! METRIC: `Average`, WEIGHT-MUL: `1.0`, WEIGHT-ADD: `0`

/// Storage DB weights for the `Cairn Development` runtime and `Custom`.
pub mod constants {
    use frame_support::parameter_types;
    use frame_support::weights::constants;
    use frame_support::weights::RuntimeDbWeight;

    parameter_types! {
        /// By default, Substrate uses `RocksDB`, so this will be the weight used throughout
        /// the runtime.
        pub const RocksDbWeight: RuntimeDbWeight = RuntimeDbWeight {
            // Time to read one storage item.
            // Calculated by multiplying the *Average* of all values with `1.0` and adding `0`.
            //
            // Stats nanoseconds:
            //   Min, Max: 4_078, 12_805_418
            //   Average:  23_178
            //   Median:   21_861
            //   Std-Dev:  51372.42
            //
            // Percentiles nanoseconds:
            //   99th: 41_427
            //   95th: 30_427
            //   75th: 24_536
            read: 23_178 * constants::WEIGHT_REF_TIME_PER_NANOS,

            // Time to write one storage item.
            // Calculated by multiplying the *Average* of all values with `1.0` and adding `0`.
            //
            // Stats nanoseconds:
            //   Min, Max: 20_017, 27_779
            //   Average:  23_898
            //   Median:   20_017
            //   Std-Dev:  3881.0
            //
            // Percentiles nanoseconds:
            //   99th: 27_779
            //   95th: 27_779
            //   75th: 27_779
            write: 23_898 * constants::WEIGHT_REF_TIME_PER_NANOS,
        };
    }

    #[cfg(test)]
    mod test_db_weights {
        use super::RocksDbWeight as W;
        use frame_support::weights::constants;

        /// Checks that all weights exist and have sane values.
        // NOTE: If this test fails but you are sure that the generated values are fine,
        // you can delete it.
        #[test]
        fn bound() {
            // At least 1 µs.
            assert!(
                W::get().reads(1).ref_time() >= constants::WEIGHT_REF_TIME_PER_MICROS,
                "Read weight should be at least 1 µs."
            );
            assert!(
                W::get().writes(1).ref_time() >= constants::WEIGHT_REF_TIME_PER_MICROS,
                "Write weight should be at least 1 µs."
            );
            // At most 1 ms.
            assert!(
                W::get().reads(1).ref_time() <= constants::WEIGHT_REF_TIME_PER_MILLIS,
                "Read weight should be at most 1 ms."
            );
            assert!(
                W::get().writes(1).ref_time() <= constants::WEIGHT_REF_TIME_PER_MILLIS,
                "Write weight should be at most 1 ms."
            );
        }
    }
}
