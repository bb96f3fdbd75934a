// SPDX-License-Identifier: Apache-2.0

//! Numbers from a seed, the same on every machine of one kind.

/// A stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream number `stream` of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Random(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// From above 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() <= probability
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }

    /// Weibull of this shape, with this mean.
    pub fn weibull(&mut self, shape: f64, mean: f64) -> f64 {
        mean / gamma(1.0 + 1.0 / shape) * (-self.unit().ln()).powf(1.0 / shape)
    }

    /// Lognormal with this median, and standard deviation of its logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.unit()).cos();
        median * (sigma * normal).exp()
    }
}

/// Euler's gamma function for arguments from 1 on (Stirling's series after four steps up).
fn gamma(x: f64) -> f64 {
    let (mut product, mut x) = (1.0, x);
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    ((x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series).exp() / product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(count: u32, mut draw: impl FnMut() -> f64) -> f64 {
        (0..count).map(|_| draw()).sum::<f64>() / f64::from(count)
    }

    #[test]
    fn means_are_as_asked_for() {
        let mut random = Random::new(1, 0);
        assert!((mean(200_000, || random.exponential(200.0)) - 200.0).abs() < 3.0);
        assert!((mean(200_000, || random.weibull(0.8, 200.0)) - 200.0).abs() < 4.0);
        assert!((mean(200_000, || random.below(10) as f64) - 4.5).abs() < 0.03);
        let log_mean = mean(200_000, || random.lognormal(3.0, 1.5).ln());
        assert!((log_mean - 3f64.ln()).abs() < 0.02);
    }

    #[test]
    fn gamma_is_the_factorial() {
        for (x, value) in [(1.0, 1.0), (2.0, 1.0), (5.0, 24.0), (1.5, 0.886_226_925)] {
            assert!((gamma(x) - value).abs() < 1e-8, "{x}");
        }
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, stream| Random::new(seed, stream).below(u64::MAX);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}
