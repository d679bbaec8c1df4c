//! Pipelines, made once per variant and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::allocate::{check_alive, guarded, one_line};
use super::options::{KernelOptions, ModuleMaker};
use crate::Error;
use crate::gpu::shader::params::Params;
use crate::gpu::shader::variant::Variant;

/// A compiled kernel, the text it was made of, and the layout of its bindings: parameters, at an offset that is given
/// when they are set, operands, results.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub label: &'static str,
    pub source: String,
    pub compute: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// The pipeline of one variant, once it has been made. Locked while it is compiled.
type Slot = Arc<Mutex<Option<Arc<Pipeline>>>>;

/// The pipelines of one device.
///
/// Two locks, so that nobody waits for a kernel of somebody else's: that of the map is held to look a variant up, and
/// that of its slot to compile it.
#[derive(Debug)]
pub(crate) struct Pipelines {
    cache: Option<wgpu::PipelineCache>,
    checked: bool,
    modules: Option<ModuleMaker>,
    slots: Mutex<HashMap<Variant, Slot>>,
    /// Called before a variant is compiled.
    #[cfg(test)]
    pub compiling: Option<tests::Hook>,
}

impl Pipelines {
    pub(crate) fn new(options: &KernelOptions) -> Self {
        Self {
            cache: options.cache.clone(),
            checked: options.checked,
            modules: options.modules.clone(),
            slots: Mutex::default(),
            #[cfg(test)]
            compiling: None,
        }
    }

    /// The pipeline of a variant. The first call for it compiles, while others for the same one wait: two threads
    /// never compile the same kernel.
    pub(crate) fn get(&self, device: &wgpu::Device, variant: Variant) -> Result<Arc<Pipeline>, Error> {
        // A panic while compiling leaves map and slot as they were, so that a poisoned lock guards sound data.
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(variant).or_default())
        };
        let mut made = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = &*made {
            return Ok(Arc::clone(pipeline));
        }
        #[cfg(test)]
        if let Some(hook) = &self.compiling {
            hook.call(self, &variant);
        }
        // Kept only if it is one: what failed for want of memory may be made later.
        let pipeline = guarded(device, variant.pass.label(), 0, || self.compile(device, &variant))??;
        check_alive(device)?;
        Ok(Arc::clone(made.insert(Arc::new(pipeline))))
    }

    fn compile(&self, device: &wgpu::Device, variant: &Variant) -> Result<Pipeline, Error> {
        let label = variant.pass.label();
        // How much a test compiles is most of its time. A test's thread has its name.
        #[cfg(debug_assertions)]
        if std::env::var_os("DROPCONNECT_PRINT_KERNELS").is_some() {
            eprintln!("KERNEL {} {variant:?}", std::thread::current().name().unwrap_or("unnamed"));
        }
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: binding == 0,
                min_binding_size: (binding == 0)
                    .then(|| wgpu::BufferSize::new(size_of::<Params>() as u64))
                    .flatten(),
            },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
        let read_only = variant.pass.read_only();
        entries.extend(read_only.into_iter().zip(1..).map(|(read_only, binding)| {
            let read_only = read_only && !variant.read_write;
            entry(binding, wgpu::BufferBindingType::Storage { read_only })
        }));
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = variant.source();
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        };
        let checks = if self.checked {
            wgpu::ShaderRuntimeChecks::checked()
        } else {
            wgpu::ShaderRuntimeChecks::unchecked()
        };
        // SAFETY: without the runtime checks a shader must not index outside its bindings, loop for
        // ever or divide by zero.
        // - Indices: every load clamps its row to the rows and its column to the columns of the dispatch
        //   (or, in a `vector` variant, stays on whole quads of them); every store tests both. Rows,
        //   columns, strides and bases come from `Params`, which this module fills, out of ranges that
        //   `Argument::check` found inside the tensor and the tensor inside its buffer. The keys of Monte-Carlo samples
        //   are read below `params.samples`, for which `launch` binds as many. `workgroup_tile`, `parts` and `words`
        //   are indexed by the local id, which is below the workgroup size, by literals and by loops that end with what
        //   they hold; vectors, and the arrays of a thread, by literals and by numbers taken modulo their length or
        //   below it.
        // - Loops count a `u32` up to a number that is below 2^32 by at least the step, or down to 0.
        // - Integer divisors are literals that are not 0, but for the size of a mask group in `mask_coordinate`, which
        //   is taken to be at least 1.
        // The tests run the same calls with checks on and compare bit by bit.
        let translated = || unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let module = match &self.modules {
            None => translated(),
            Some(ModuleMaker(make)) => make(device, label, &source)
                .map_err(|reason| Error::Module { kernel: label, reason: one_line(&reason) })?,
        };
        let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every word of workgroup memory is written before it is read.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: self.cache.as_ref(),
        });
        Ok(Pipeline { label, source, compute, layout })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Barrier, Mutex, mpsc};
    use std::thread;

    use super::{ModuleMaker, Pipelines, Variant};
    use crate::call::Forward;
    use crate::gpu::shader::pass::Pass;
    use crate::gpu::tests::wgsl::adapter::adapter;
    use crate::gpu::{KernelOptions, Kernels, Recording, Tensor};
    use crate::{Bias, ElementType, Error, Shape};

    type Call = dyn Fn(&Pipelines, &Variant) + Send + Sync;

    /// What a test does while a kernel is about to be compiled.
    pub(crate) struct Hook(Box<Call>);

    impl Pipelines {
        /// How many kernels somebody has asked for.
        pub(crate) fn count(&self) -> usize {
            self.slots.lock().unwrap().len()
        }
    }

    impl Hook {
        pub(crate) fn new(call: impl Fn(&Pipelines, &Variant) + Send + Sync + 'static) -> Self {
            Self(Box::new(call))
        }

        pub(super) fn call(&self, pipelines: &Pipelines, variant: &Variant) {
            (self.0)(pipelines, variant);
        }
    }

    impl std::fmt::Debug for Hook {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Hook")
        }
    }

    /// A forward pass of a plain layer, with a bias or without: two kernels.
    fn forward(kernels: &Kernels, buffer: &wgpu::Buffer, with_bias: bool) -> Result<Recording, Error> {
        let tensor =
            |offset, elements: u64| Tensor { buffer, offset, size: 4 * elements, element: ElementType::F32 };
        let bias = if with_bias { Bias::Plain(tensor(768, 3)) } else { Bias::None };
        let shape = Shape::new(2, 3, 4).unwrap();
        let (x, weight, y) = (tensor(0, 8), tensor(256, 12), tensor(512, 6));
        kernels.record(Forward { shape, mask: None, x, weight, bias, y })
    }

    #[test]
    fn a_ready_kernel_does_not_wait_for_one_that_compiles() {
        let Some(gpu) = adapter("a_ready_kernel_does_not_wait_for_one_that_compiles") else { return };
        let mut kernels = Kernels::new(gpu.device(), &KernelOptions::default()).unwrap();
        let buffer = gpu.buffer(1024).unwrap();
        let (started, compiles) = mpsc::channel();
        let (done, go_on) = mpsc::channel();
        let go_on = Mutex::new(go_on);
        kernels.pipelines.compiling = Some(Hook::new(move |pipelines, variant| {
            if variant.pass == (Pass::Forward { bias: true }) {
                // Looked at first, so that a lock held here is a failure, and not a test that never ends.
                let free = pipelines.slots.try_lock().is_ok();
                started.send(free).unwrap();
                if free {
                    go_on.lock().unwrap().recv().unwrap();
                }
            }
        }));
        let _ready = forward(&kernels, &buffer, false).unwrap();
        thread::scope(|scope| {
            let compiling = scope.spawn(|| forward(&kernels, &buffer, true));
            assert!(compiles.recv().unwrap(), "compiles under the lock of all kernels");
            let _ready = forward(&kernels, &buffer, false).unwrap();
            done.send(()).unwrap();
            let _ready = compiling.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_hosts_compiler_makes_every_module() {
        let Some(gpu) = adapter("a_hosts_compiler_makes_every_module") else { return };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (list, buffer) = (Arc::clone(&seen), gpu.buffer(1024).unwrap());
        let modules = ModuleMaker::new(move |device, label, source| {
            list.lock().unwrap().push(label.to_owned());
            if source.contains("fn bias_quad(") {
                return Err("no\n  such kernel".to_owned());
            }
            let source = wgpu::ShaderSource::Wgsl(source.into());
            Ok(device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(label), source }))
        });
        let options = KernelOptions { modules: Some(modules), ..Default::default() };
        let kernels = Kernels::new(gpu.device(), &options).unwrap();
        for _ in 0..2 {
            let _ready = forward(&kernels, &buffer, false).unwrap();
        }
        match forward(&kernels, &buffer, true) {
            Err(Error::Module { kernel: "dropconnect.forward", reason }) => {
                assert_eq!(reason, "no such kernel")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(*seen.lock().unwrap(), ["dropconnect.forward"; 2]);
    }

    #[test]
    fn threads_that_want_the_same_kernel_compile_it_once() {
        let Some(gpu) = adapter("threads_that_want_the_same_kernel_compile_it_once") else { return };
        let mut kernels = Kernels::new(gpu.device(), &KernelOptions::default()).unwrap();
        let buffer = gpu.buffer(1024).unwrap();
        let count = Arc::new(AtomicU32::new(0));
        let compiled = Arc::clone(&count);
        kernels.pipelines.compiling = Some(Hook::new(move |_, _| {
            compiled.fetch_add(1, Ordering::Relaxed);
        }));
        let together = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    let _ready = forward(&kernels, &buffer, true).unwrap();
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
