//! What the suite asks a model: values like those that it was calibrated for. Beyond them the numbers of an
//! evaluation may not fit its parameters, and the answer would be wrong through no fault of the server.

use serde_json::Value;

/// An input within what the model publishes of its calibration: `input.range` holds for all elements, and the
/// factor of an element in `input.scaling`, where there is one, brings its own largest value to at most 1.
///
/// Elements of a scaled input are at most half of that, others in the lowest unit of the range: all of them
/// high at once may be more than the model was ever meant for.
pub(crate) fn sample(model: &Value) -> Vec<f64> {
    let input = &model["input"];
    let bound = |at: usize, default: f64| input["range"][at].as_f64().unwrap_or(default);
    let (low, high) = (bound(0, -1.0), bound(1, 1.0));
    let dimension = input["dimension"].as_u64().unwrap_or(0) as usize;
    let fractions = (0..dimension).map(|i| ((i * 37 + 11) % 64) as f64 / 64.0);
    let element = |(i, fraction): (usize, f64)| match input["scaling"][i].as_f64() {
        Some(factor) => (0.5 * fraction / factor.abs()).clamp(low, high),
        None => low + (high - low).min(1.0) * fraction,
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
    }
}
