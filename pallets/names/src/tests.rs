// SPDX-License-Identifier: Apache-2.0

mod claims;
mod expiry;
mod governance;
mod properties;
mod reading;
mod subdomains;
mod transfer;
mod zones;
