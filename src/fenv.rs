//! The floating-point environment: a thread's flags for rounding, subnormal numbers and traps.
//!
//! A new thread has the flags of the thread that starts it, and hosts set them: audio engines, `torch` on demand and
//! libraries built with `-ffast-math` have subnormal numbers taken for 0. The library's results depend neither on whose
//! thread computes them nor on who started it.

/// Runs work under the default flags, and restores the thread's own after it.
pub(crate) fn with_default<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(flags::Flags);
    impl Drop for Restore {
        fn drop(&mut self) {
            flags::set(self.0);
        }
    }
    /// The compiler knows nothing of flags, and might move arithmetic out from between two changes of them.
    #[inline(never)]
    fn apart<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
    let own = flags::get();
    if flags::are_default(own) {
        return work();
    }
    let _restore = Restore(own);
    flags::set(flags::DEFAULT);
    apart(work)
}

/// MXCSR.
#[cfg(any(target_arch = "x86_64", all(target_arch = "x86", target_feature = "sse")))]
mod flags {
    use std::arch::asm;

    pub type Flags = u32;

    /// Round to nearest, subnormal numbers as they are, every exception masked.
    pub const DEFAULT: Flags = 0x1F80;
    /// What has happened since they were cleared: any operation sets them, and none reads them.
    const STICKY: Flags = 0x3F;

    pub fn are_default(flags: Flags) -> bool {
        flags & !STICKY == DEFAULT
    }

    pub fn get() -> Flags {
        let mut flags: Flags = 0;
        // SAFETY: it writes the register's four bytes over `flags`, which is as long, and changes nothing else.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut flags, options(nostack, preserves_flags)) };
        flags
    }

    /// `flags` are [`DEFAULT`] or those that the thread had.
    pub fn set(flags: Flags) {
        // SAFETY: it reads four bytes of `flags`, and no reserved bit is set, which would be a fault. Rust takes the
        // default flags for granted: `DEFAULT` makes that true, and the thread's own it has had before, where it had
        // to bear with them.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const flags, options(nostack)) };
    }
}

/// FPCR.
#[cfg(target_arch = "aarch64")]
mod flags {
    use std::arch::asm;

    pub type Flags = u64;

    /// Round to nearest, subnormal numbers and NaN as they are, IEEE's half precision, no traps.
    pub const DEFAULT: Flags = 0;

    pub fn are_default(flags: Flags) -> bool {
        flags == DEFAULT
    }

    pub fn get() -> Flags {
        let flags: Flags;
        // SAFETY: it copies a register that every program may read, and changes nothing else.
        unsafe { asm!("mrs {}, fpcr", out(reg) flags, options(nomem, nostack, preserves_flags)) };
        flags
    }

    /// `flags` are [`DEFAULT`] or those that the thread had.
    pub fn set(flags: Flags) {
        // SAFETY: every program may write the register. Rust takes the default flags for granted: `DEFAULT` makes that
        // true, and the thread's own it has had before, where it had to bear with them.
        unsafe { asm!("msr fpcr, {}", in(reg) flags, options(nostack)) };
    }
}

/// Flags that no host sets (WebAssembly has none), or that this library does not know.
#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "x86", target_feature = "sse"),
    target_arch = "aarch64"
)))]
mod flags {
    pub type Flags = ();

    pub const DEFAULT: Flags = ();

    pub fn are_default((): Flags) -> bool {
        true
    }

    pub fn get() -> Flags {}

    pub fn set((): Flags) {}
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests;
