//! What to install where there is no driver that wgpu can use.

use dropconnect::gpu::AdapterChoice;

/// What brings a driver, for a system that shows no adapter at all, by the APIs that are used unasked.
pub fn missing() -> Option<String> {
    let there = !AdapterChoice::default().adapters().is_empty();
    (!there).then(|| {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        format!("no graphics driver was found: {}", hint(std::env::consts::OS, &release))
    })
}

/// By the name of the system, and what `/etc/os-release` says.
fn hint(system: &str, release: &str) -> String {
    match system {
        "macos" | "ios" => {
            "Metal is a part of the system, and no package brings it; this machine has no GPU for it"
                .to_owned()
        }
        "windows" => {
            "Direct3D 12 is a part of Windows 10 and later; the driver comes by Windows Update or from \
                      the GPU's maker"
                .to_owned()
        }
        "linux" => {
            let known = DISTRIBUTIONS.iter().find(|(names, _)| is_like(release, names));
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

fn is_like(release: &str, names: &[&str]) -> bool {
    let fields = release.lines().filter_map(|line| line.split_once('='));
    fields
        .filter(|(field, _)| matches!(*field, "ID" | "ID_LIKE"))
        .flat_map(|(_, value)| value.trim_matches(['"', '\'']).split_whitespace())
        .any(|word| names.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn the_package_is_that_of_the_system() {
        for (release, package) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", "apt install"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "mesa-vulkan-drivers"),
            ("NAME=\"Fedora Linux\"\nID=fedora\n", "dnf install"),
            ("ID='endeavouros'\nID_LIKE='arch'\n", "pacman -S"),
            ("ID=alpine\n", "apk add"),
            // Not known, or not told: the names on all of them, and none by the name of something else.
            ("ID=slackware\nHOME_URL=debian\n", "on Debian and Ubuntu, vulkan-loader"),
            ("", "vulkan-swrast on Arch"),
        ] {
            let said = hint("linux", release);
            assert!(said.contains(package), "{release}: {said}");
        }
        assert!(hint("macos", "").contains("Metal"));
        assert!(hint("windows", "ID=debian").contains("Direct3D 12"));
        assert!(hint("freebsd", "").contains("Vulkan"));
    }
}
