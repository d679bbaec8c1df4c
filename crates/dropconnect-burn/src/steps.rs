//! The step of a layer: which masks its next training pass draws.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
    ParamId,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Integers of 16 bits that make up the step in a record: every backend's integers hold them.
const LIMBS: usize = 4;

/// Counts the training passes of a layer, so that each draws fresh masks. Part of the layer's records, so that
/// a resumed training goes on with the masks it would have had.
///
/// Clones share the count, as clones of a Burn model share the random numbers of their device: an optimiser
/// may take the model apart and put it together, and no two passes draw the same masks.
#[derive(Clone, Debug)]
pub struct StepCounter {
    id: ParamId,
    /// Where Burn puts the tensor of a record. The count itself lives on the host.
    device: Device,
    next: Arc<AtomicU64>,
}

impl StepCounter {
    pub(crate) fn new(device: &Device) -> Self {
        Self { id: ParamId::new(), device: device.clone(), next: Arc::default() }
    }

    /// The step that the next training pass takes.
    pub fn get(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Changes it, in all clones.
    pub fn set(&self, step: u64) {
        self.next.store(step, Ordering::Relaxed);
    }

    /// Takes a step. Two threads never get the same one.
    pub(crate) fn take(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The step as Burn's traversals see it. Lazy: most of them never look, and a tensor made for each
    /// would cost an upload whenever an optimiser walks the model.
    fn param(&self) -> Param<Tensor<1, Int>> {
        let step = self.get();
        let limbs: Vec<i32> = (0..LIMBS).map(|at| i32::from((step >> (16 * at)) as u16 as i16)).collect();
        Param::uninitialized(
            self.id,
            move |device, _| Tensor::from_data(TensorData::new(limbs.clone(), [LIMBS]), device),
            self.device.clone(),
            false,
            [LIMBS].into(),
        )
    }
}

impl Module for StepCounter {
    fn collect_devices(&self, devices: Devices) -> Devices {
        // It lies on no device.
        devices
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn to_device(self, device: &Device) -> Self {
        Self { device: device.clone(), ..self }
    }

    fn materialize(self) -> Self {
        self
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_int(&self.param());
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let mapped = mapper.map_int(self.param());
        // A mapper that loads a record gives the parameter a value; others leave it lazy.
        if mapped.is_initialized() {
            let limbs: Vec<i64> = mapped
                .val()
                .into_data()
                .try_into_vec_as()
                .unwrap_or_else(|error| panic!("DropConnect: {error}"));
            let word = |at: usize| u64::from(limbs.get(at).map_or(0, |&limb| limb as u16));
            let step = (0..LIMBS).fold(0, |step, at| step | word(at) << (16 * at));
            self.set(step);
        }
        Self { id: mapped.id, ..self }
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for StepCounter {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("next {}", self.get())).optional()
    }
}

impl ModuleDisplay for StepCounter {}
