//! Kernel shapes found by trying: whichever they are, they are usable and give the same masks.

use crate::common::*;
use dropconnect::gpu::{KernelOptions, Kernels, Tuning};
use dropconnect::{DropProbability, ElementType, Mask, MaskKey};

#[test]
fn the_fastest_tuning_is_as_right_as_any() {
    let Some(gpu) = adapter("the_fastest_tuning_is_as_right_as_any") else { return };
    // One brick: every tile shrinks to it, which is quick to compile.
    let small = shape([4, 4, 8]);
    let half = DropProbability::new(0.5).unwrap();
    let tuning = Tuning::measured(gpu.device(), gpu.queue(), &small, half).unwrap();
    let stored: Tuning = tuning.to_string().parse().unwrap();
    assert_eq!(stored, tuning);
    let options = KernelOptions { tuning: Some(stored), ..Default::default() };
    let kernels = Kernels::new(gpu.device(), &options).unwrap();
    let key = MaskKey::new(9, 1).at_step(2);
    for shape in [small, shape([9, 13, 21])] {
        let call = Case::new(shape, Some(Mask::new(key, half)));
        let data = Data::random(&shape, ElementType::F32, 3);
        let (got, want) = (run(gpu, &kernels, &call, &data), expected(&call, &data));
        assert_all_close(&got, &want, bound(ElementType::F32), &format!("{shape}, {tuning}"));
    }
}
