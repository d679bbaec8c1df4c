//! Why there is no adapter, or another one than was looked for: what is set, what to install, where to see more.

use dropconnect::gpu::AdapterChoice;
use sysinfo::System;

/// What decides which adapters there are.
const VARIABLES: [&str; 6] = [
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_LOADER_DRIVERS_SELECT",
    "VK_LOADER_DRIVERS_DISABLE",
    "WGPU_BACKEND",
    "WGPU_ADAPTER_NAME",
];

/// What is set of this, as `; NAME=value is set`, for a message about an adapter.
pub fn variables() -> String {
    let set = |name: &str| Some(format!("; {name}={} is set", std::env::var_os(name)?.to_string_lossy()));
    VARIABLES.into_iter().filter_map(set).collect()
}

/// What helps where no adapter matches: what is set, and of a system that shows no adapter at all, by the APIs that are
/// used unasked, what brings a driver.
pub fn missing() -> String {
    let mut text = String::new();
    if AdapterChoice::default().adapters().is_empty() {
        let names = [vec![System::distribution_id()], System::distribution_id_like()].concat();
        text = format!("; no graphics driver was found: {}", hint(std::env::consts::OS, &names));
    }
    text += &variables();
    if !cfg!(target_vendor = "apple") {
        text += "; with VK_LOADER_DEBUG=error,warn,driver set Vulkan's loader says which drivers it tries";
    }
    text
}

/// By the name of the system, and those of the distribution and what it is like.
fn hint(system: &str, distribution: &[String]) -> String {
    match system {
        "macos" | "ios" => {
            "Metal is a part of the system, and no package brings it; this machine has no GPU for it"
                .to_owned()
        }
        "windows" => {
            "Direct3D 12 is a part of Windows 10 and later; the driver comes by Windows Update or from \
             the GPU's maker. Where a dxcompiler.dll is found, adapters without shader model 6 are left out"
                .to_owned()
        }
        "linux" => {
            let is_like = |names: &[&str]| distribution.iter().any(|name| names.contains(&&name[..]));
            let known = DISTRIBUTIONS.iter().find(|(names, _)| is_like(names));
            known.map_or_else(all, |(_, packages)| (*packages).to_owned())
        }
        _ => "install a Vulkan loader and driver".to_owned(),
    }
}

/// Names in `ID` and `ID_LIKE`, and the packages. The first are Mesa's, with a software adapter among them.
const DISTRIBUTIONS: [(&[&str], &str); 4] = [
    (
        &["debian", "ubuntu"],
        "`apt install libvulkan1 mesa-vulkan-drivers` brings those for AMD and Intel, and a software adapter; NVIDIA's \
         is `nvidia-driver` on Debian, `ubuntu-drivers install` on Ubuntu",
    ),
    (
        &["fedora", "rhel"],
        "`dnf install vulkan-loader mesa-vulkan-drivers` brings those for AMD and Intel, and a software adapter; \
         NVIDIA's is `akmod-nvidia` of RPM Fusion",
    ),
    (
        &["arch"],
        "`pacman -S vulkan-icd-loader` and one of `vulkan-radeon`, `vulkan-intel`, `nvidia-utils` and, for a software \
         adapter, `vulkan-swrast`",
    ),
    (
        &["alpine"],
        "`apk add vulkan-loader` and one of `mesa-vulkan-ati`, `mesa-vulkan-intel` and, for a software adapter, \
         `mesa-vulkan-swrast`",
    ),
];

fn all() -> String {
    "install a Vulkan loader and driver: libvulkan1 and mesa-vulkan-drivers on Debian and Ubuntu, vulkan-loader and \
     mesa-vulkan-drivers on Fedora, vulkan-icd-loader and vulkan-radeon, vulkan-intel, nvidia-utils or vulkan-swrast \
     on Arch"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn the_package_is_that_of_the_system() {
        let said = |system: &str, names: &[&str]| {
            hint(system, &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        for (names, package) in [
            (&["debian"][..], "apt install"),
            (&["linuxmint", "ubuntu", "debian"], "mesa-vulkan-drivers"),
            (&["fedora"], "dnf install"),
            (&["endeavouros", "arch"], "pacman -S"),
            (&["alpine"], "apk add"),
            // Not known, or not told: the names on all of them.
            (&["slackware"], "on Debian and Ubuntu, vulkan-loader"),
            (&[], "vulkan-swrast on Arch"),
        ] {
            assert!(said("linux", names).contains(package), "{names:?}");
        }
        assert!(said("macos", &[]).contains("Metal"));
        assert!(said("windows", &["debian"]).contains("Direct3D 12"));
        assert!(said("freebsd", &[]).contains("Vulkan"));
    }
}
