//! A probability that changes, and one for each layer.

use crate::common::{config, device, ramp, values};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use dropconnect_burn::{Draw, DropConnect, DropSchedule, Error, ModelConfig};

#[test]
fn a_layer_drops_with_the_probability_that_was_set_last() {
    let Some(device) = device("a_layer_drops_with_the_probability_that_was_set_last") else { return };
    let device = device.autodiff();
    let mut layer = config(24, 7).init(&device);
    let x = ramp([6, 24], 31, 7, &device).require_grad();
    let at = Draw { step: 5, ..Draw::default() };
    let gradients = |layer: &DropConnect, y: Tensor<2>| {
        let gradients = y.square().sum().backward();
        [values(x.grad(&gradients).unwrap()), values(layer.weight.grad(&gradients).unwrap())]
    };
    let y = layer.forward_at(x.clone(), at);
    let want = gradients(&layer, layer.forward_at(x.clone(), at));
    for p in [0.5, 0.125, 0.0, 0.3] {
        let clone = layer.clone();
        let old = values(layer.forward_at(x.clone(), at));
        layer.set_drop_probability(p).unwrap();
        let fresh = config(24, 7).with_prob(p).try_from_linear(layer.clone().into_linear()).unwrap();
        let new = values(layer.forward_at(x.clone(), at));
        assert_eq!(new, values(fresh.forward_at(x.clone(), at)), "p = {p}");
        assert_ne!(new, old, "p = {p}");
        assert_eq!(values(clone.forward_at(x.clone(), at)), old, "a clone keeps its own");
    }
    layer.set_drop_probability(0.75).unwrap();
    assert_eq!(gradients(&layer, y), want, "a pass that waits for its backward keeps its masks and scale");

    for p in [1.0, -0.1, f64::NAN, 1.0 - 1e-9] {
        let error = layer.set_drop_probability(p).unwrap_err();
        assert!(error.to_string().contains(&p.to_string()), "{error}");
        assert_eq!(layer.settings().probability.requested(), 0.75, "the layer stays as it is");
    }
    // The resolution is the configuration's, and outlives a p that needs fewer bits.
    let mut coarse = config(24, 7).with_prob(0.5).with_bits(3).init(&device);
    coarse.set_drop_probability(0.3).unwrap();
    assert_eq!(coarse.settings().probability.realised(), 0.25);
    assert_eq!(coarse.valid().train().settings().probability.realised(), 0.25);
}

#[test]
fn a_schedule_is_level_outside_its_points_and_straight_between() {
    let schedule = DropSchedule::through(vec![(10, 0.25), (20, 0.5), (20, 0.125), (24, 0.0)]).unwrap();
    let want = [
        (0, 0.25),
        (10, 0.25),
        (12, 0.3),
        (19, 0.475),
        (20, 0.125),
        (21, 0.09375),
        (24, 0.0),
        (u64::MAX, 0.0),
    ];
    for (step, p) in want {
        assert!(
            (schedule.probability(step) - p).abs() < 1e-12,
            "step {step}: {}",
            schedule.probability(step)
        );
    }
    assert_eq!(DropSchedule::constant(0.5).unwrap().probability(7), 0.5);
    assert_eq!(DropSchedule::linear(0.0, 0.5, 0).unwrap().probability(0), 0.5);

    let refused = |points| DropSchedule::through(points).unwrap_err();
    assert!(matches!(refused(vec![]), Error::EmptySchedule));
    let error = refused(vec![(0, 0.1), (7, 0.2), (3, 0.5)]);
    assert!(matches!(error, Error::ScheduleOrder { at: 2, step: 3, previous: 7 }), "{error}");
    assert!(refused(vec![(0, 0.5), (1, 1.0)]).to_string().contains('1'));
    // As from a file, past the constructors.
    assert!(DropSchedule { points: vec![] }.probability(3).is_nan());
    let json = schedule.to_string();
    assert_eq!(DropSchedule::load_binary(json.as_bytes()).unwrap(), schedule);
}

#[test]
fn every_layer_has_its_probability_from_one_configuration() {
    let json = r#"{ "seed": 7, "prob": 0.5, "probs": [[0, 0.2], [2, 0.0], [0, 0.25]] }"#;
    let model = ModelConfig::load_binary(json.as_bytes()).unwrap();
    let probs: Vec<f64> = (0..4).map(|layer| model.layer(layer, 3, 2).prob).collect();
    assert_eq!(probs, [0.25, 0.5, 0.0, 0.5]);
    let layer = model.layer(2, 3, 2);
    assert_eq!((layer.layer, layer.seed, layer.d_input, layer.d_output), (2, 7, 3, 2));
}
