// SPDX-License-Identifier: Apache-2.0

mod access;
mod attacks;
mod checkpoints;
mod detection;
mod disputes;
mod drives;
mod endings;
mod outages;
mod properties;
mod reading;
mod repair;
mod turns;
