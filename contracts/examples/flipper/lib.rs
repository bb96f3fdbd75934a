// SPDX-License-Identifier: Apache-2.0

//! A switch: the smallest contract that remembers something.

#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod flipper {
    #[ink(storage)]
    pub struct Flipper {
        on: bool,
    }

    impl Flipper {
        /// Begins on or off.
        #[ink(constructor)]
        pub fn new(on: bool) -> Self {
            Self { on }
        }

        /// Turns it.
        #[ink(message)]
        pub fn flip(&mut self) {
            self.on = !self.on;
        }

        /// Whether it is on.
        #[ink(message)]
        pub fn get(&self) -> bool {
            self.on
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[ink::test]
        fn it_flips_and_flips_back() {
            let mut flipper = Flipper::new(false);
            flipper.flip();
            assert!(flipper.get());
            flipper.flip();
            assert!(!flipper.get());
        }
    }
}
