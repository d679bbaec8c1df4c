//! Sums, passes and classes past what one dispatch holds.
//!
//! Mesa's llvmpipe ends all loops of an invocation after 65,535 iterations in sum, and says nothing. The library
//! cuts its work so that none comes near; a driver with another such limit is found here.

use dropconnect::gpu::Method;
use dropconnect::wgpu::WasmNotSend;
use dropconnect::{Activation, Bias, Device, ElementType, Error, MaskKey, Origin, Sharing};

use super::check::Check;
use super::data::{mask, shape};
use super::passes::case_of;
use super::plan::Plan;
use crate::{
    Axis, Case, Data, Failure, Kind, LAYER, LINEAR, MADE, Random, Target, bound, group, reductions,
    relative_error, wide,
};

/// A sum of every pass of the layer, in each element type, with masks of their own and shared ones.
pub fn sums<'a>(plan: &mut Plan<'a>, target: Target<'a>, prefix: &str) {
    let (inputs, batch) = if plan.quick { (600_000, 300_000) } else { (2_000_000, 300_000) };
    let length = if plan.quick { 1_000_000 } else { 30_000_000 };
    for pass in LAYER {
        // The longest along what the pass sums over.
        let along = |axis: &Axis| match axis {
            // Sixteen threads share its examples. One output alone may come near zero by chance.
            _ if pass == Kind::BiasGradient => [1_000_000, 4, 1],
            Axis::Example => [batch, 2, 16],
            Axis::Output => [2, 300_000, 8],
            Axis::Input => [2, 4, inputs],
        };
        let dims: Vec<_> = reductions(pass).iter().map(along).collect();
        let longest = dims.iter().flatten().copied().max().unwrap_or_default();
        let elements = if plan.quick { &ElementType::ALL[..1] } else { &ElementType::ALL[..2] };
        for &element in elements {
            let name = format!("{prefix}{}, {element}, sums of {longest}", pass.name());
            let dims = dims.clone();
            plan.check(Check::error(name, bound(element)), async move |check| {
                for &dims in &dims {
                    case(check, &target, pass, element, dims, Sharing::Example).await?;
                }
                Ok(())
            });
        }
    }
    // Roundings of random terms cancel. Those of equal terms go one way, and small terms that come last are lost first.
    for pass in LAYER {
        let check = Check::error(
            format!("{prefix}{}, constants and ramps, sums of {length}", pass.name()),
            bound(ElementType::F32),
        );
        plan.check(check, async move |check| {
            for &axis in reductions(pass) {
                let mut dims = [1; 3];
                dims[axis as usize] = length;
                let shape = shape(dims)?;
                let call = Case { bias: Bias::None, ..Case::new(shape, None) };
                for data in [Data::constant(&shape, 1.0), Data::constant(&shape, 0.1), Data::rising(&shape)] {
                    case_of(check, &target, pass, &call, &data).await?;
                }
            }
            Ok(())
        });
    }
    // Where masks are shared by groups, every word is sought on its own.
    let name = format!("{prefix}every pass, masks shared by four examples, sums of 20000");
    plan.check(Check::error(name, bound(ElementType::F32)), async move |check| {
        for pass in LINEAR {
            let mut dims = [16; 3];
            dims[reductions(pass)[0] as usize] = 20_000;
            case(check, &target, pass, ElementType::F32, dims, group(4)).await?;
        }
        Ok(())
    });
}

async fn case(
    check: &mut Check,
    target: &Target<'_>,
    pass: Kind,
    element: ElementType,
    dims: [usize; 3],
    sharing: Sharing,
) -> Result<(), Failure> {
    let (shape, mask) = (shape(dims)?, mask(0.3, 5)?.shared(sharing));
    let data = Data::random(&shape, element, 1);
    case_of(check, target, pass, &Case { element, ..Case::new(shape, Some(mask)) }, &data).await
}

/// What is reported over masks, on the adapter against the CPU backend.
pub fn inference<'a>(plan: &mut Plan<'a>, adapter: &'a Device) {
    let passes = if plan.quick { 100 } else { 1000 };
    let method = Method::Sampled { samples: 300_000, key: MaskKey::new(8, 1), origin: Origin::default() };
    let (plain, masked) = (Bias::Plain(()), Bias::Masked(()));
    for (name, kind, dims, bias, passes) in [
        (&*format!("Monte Carlo, {passes} passes"), Kind::MonteCarlo, [8, 16, 1024], plain, passes),
        ("Monte Carlo, passes of several dispatches each", Kind::MonteCarlo, [2, 4, 100_000], masked, 5),
        ("moments, sums of 600000", Kind::Moments, [2, 4, 600_000], Bias::None, 1),
        ("activation, 300000 samples", Kind::Activation, [3, 5, 1], Bias::None, 1),
    ] {
        as_on_the_cpu(plan, adapter, name, async move |device| {
            let (shape, mask, activation) = (shape(dims)?, mask(0.3, 6)?, Activation::Tanh);
            let case = Case { bias, passes, activation, method, ..Case::new(shape, Some(mask)) };
            let mut random = Random(21);
            let data = Data::random(&shape, ElementType::F32, 1)
                .with_outputs(&shape, 1, |len| random.values(len, ElementType::F32));
            let call = case.call(kind);
            device.run(ElementType::F32, call.map(|of| data.tensor(&call, of.name), |_| ())).await
        });
    }
    as_on_the_cpu(plan, adapter, "predictive, 100000 classes", async move |device| {
        let (shape, mask) = (shape([3, 100_000, 8])?, mask(0.3, 9)?);
        let mut data = Data::random(&shape, ElementType::F32, 1);
        // Masks disagree, so that the information is no small difference of two entropies of 11 nats.
        data.x.iter_mut().for_each(|x| *x *= 8.0);
        let operands = data.operands(&shape, Bias::None);
        let predicted = device.predictive(ElementType::F32, operands.monte_carlo(&mask, 3, MADE)).await?;
        Ok(vec![predicted.mean, predicted.entropy, predicted.mutual_information])
    });
}

fn as_on_the_cpu<'a>(
    plan: &mut Plan<'a>,
    adapter: &'a Device,
    name: &str,
    run: impl AsyncFn(&Device) -> Result<Vec<Vec<f32>>, Error> + WasmNotSend + 'a,
) {
    plan.check(Check::error(format!("{name}: as on the CPU"), 1e-5), async move |check| {
        for (got, want) in run(adapter).await?.iter().zip(run(&Device::Cpu).await?) {
            check.case(relative_error(got, &wide(&want)), || "one of its results".to_owned());
        }
        Ok(())
    });
}
