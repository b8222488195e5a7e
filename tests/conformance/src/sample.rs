//! What the suite asks a model: values like those that it was calibrated for. Beyond them the numbers of an
//! evaluation may not fit its parameters, and the answer would be wrong through no fault of the server.

use serde_json::Value;

/// An input within what the model publishes of its calibration: `input.feature_ranges` where there are such; else
/// `input.range` holds for all elements, and the factor of an element in `input.scaling`, where there is one for it or for
/// all, brings its own largest value to at most 1.
///
/// Elements with a range or a factor are at most half way up, others in the lowest unit of the range: all of them
/// high at once may be more than the model was ever meant for.
pub(crate) fn sample(model: &Value) -> Vec<f64> {
    let input = &model["input"];
    let bounds = |range: &Value| Some((range[0].as_f64()?, range[1].as_f64()?));
    let (low, high) = bounds(&input["range"]).unwrap_or((-1.0, 1.0));
    let dimension = input["dimension"].as_u64().unwrap_or(0) as usize;
    let of_all = input["scaling"].as_array().and_then(|factors| match &factors[..] {
        [factor] => factor.as_f64(),
        _ => None,
    });
    let fractions = (0..dimension).map(|i| ((i * 37 + 11) % 64) as f64 / 64.0);
    let element = |(i, fraction): (usize, f64)| {
        if let Some((low, high)) = bounds(&input["feature_ranges"][i]) {
            return low + 0.5 * fraction * (high - low);
        }
        match of_all.or(input["scaling"][i].as_f64()) {
            Some(factor) => (0.5 * fraction / factor.abs()).clamp(low, high),
            None => low + (high - low).min(1.0) * fraction,
        }
    };
    fractions.enumerate().map(element).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stays_within_the_range_of_the_model() {
        for (low, high) in [(-0.5, 0.25), (0.0, 1.0), (-3.0, 40.0)] {
            let values = sample(&json!({"input": {"dimension": 100, "range": [low, high]}}));
            assert_eq!(values.len(), 100);
            assert!(values.iter().all(|value| (low..=high).contains(value)), "{values:?}");
            assert!(values[0] != values[1]);
        }
    }

    #[test]
    fn stays_within_the_range_of_each_element() {
        let scaling = [0.001, 1.0, 32.0];
        let values = sample(&json!({"input": {"dimension": 3, "range": [0.0, 4254.0], "scaling": scaling}}));
        let scaled: Vec<f64> = values.iter().zip(scaling).map(|(value, factor)| value * factor).collect();
        assert!(scaled.iter().all(|value| (0.0..=0.5).contains(value)), "{scaled:?}");
        assert!(scaled.iter().any(|value| *value > 0.3), "{scaled:?}");
        let of_all =
            sample(&json!({"input": {"dimension": 100, "range": [0, 255], "scaling": [1.0 / 256.0]}}));
        assert!(of_all.iter().all(|value| (0.0..=128.0).contains(value)), "{of_all:?}");
        assert!(of_all.iter().filter(|value| **value > 64.0).count() > 30, "{of_all:?}");
        let ranges = [[5.0, 6.0], [-2.0, -1.0]];
        let values = sample(&json!({"input": {"dimension": 2, "range": [-2, 6], "feature_ranges": ranges}}));
        assert!(
            values.iter().zip(ranges).all(|(value, [low, high])| (low..high).contains(value)),
            "{values:?}"
        );
    }
}
