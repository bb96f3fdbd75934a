// SPDX-License-Identifier: Apache-2.0

mod bond;
mod draw;
mod properties;
mod registry;
mod reputation;
