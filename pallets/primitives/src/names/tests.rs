// SPDX-License-Identifier: Apache-2.0

pub(super) mod generate;
mod labels;
mod records;
mod zones;
