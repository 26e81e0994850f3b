//! Medians and their spread.
//!
//! Times on a shared machine have a long tail to one side, so a mean and its deviation describe
//! nothing that happened. What is printed is the median, the quartiles and the extremes.

/// What a sample of numbers looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// A quarter of them is below.
    pub low: f64,
    /// Half of them is below.
    pub median: f64,
    /// A quarter of them is above.
    pub high: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of a sample; all zero if it is empty.
    pub fn of(sample: &[f64]) -> Spread {
        let sorted = sorted(sample);
        Spread {
            min: quantile_of_sorted(&sorted, 0.0),
            low: quantile_of_sorted(&sorted, 0.25),
            median: quantile_of_sorted(&sorted, 0.5),
            high: quantile_of_sorted(&sorted, 0.75),
            max: quantile_of_sorted(&sorted, 1.0),
        }
    }

    /// The same for `f` of each number, where `f` falls as its argument grows.
    pub fn falling(self, f: impl Fn(f64) -> f64) -> Spread {
        Spread {
            min: f(self.max),
            low: f(self.high),
            median: f(self.median),
            high: f(self.low),
            max: f(self.min),
        }
    }
}

/// The median of a sample.
pub fn median(sample: &[f64]) -> f64 {
    quantile(sample, 0.5)
}

/// The value below which a share of `q` of the sample lies, interpolated.
pub fn quantile(sample: &[f64], q: f64) -> f64 {
    quantile_of_sorted(&sorted(sample), q)
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = q * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_five() {
        let spread = Spread::of(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        let expected = [1.0, 2.0, 3.0, 4.0, 5.0];
        let Spread { min, low, median, high, max } = spread;
        assert_eq!([min, low, median, high, max], expected);
    }

    #[test]
    fn an_even_sample_is_interpolated() {
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_falling_function_keeps_the_order() {
        let spread = Spread::of(&[1.0, 2.0, 4.0]).falling(|t| 4.0 / t);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 4.0));
    }
}
