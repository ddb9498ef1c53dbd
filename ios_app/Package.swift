// swift-tools-version: 6.0
import PackageDescription

// CLikeness is the core's C header alone. Whoever links a program says where the core's library is: on Linux
// ios_app/tools/test_ios.sh, on Apple's systems the Xcode project (project.yml).
let package = Package(
    name: "Likeness",
    defaultLocalization: "en",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "Likeness", targets: ["Likeness"])
    ],
    targets: [
        .systemLibrary(name: "CLikeness"),
        .target(name: "Likeness", dependencies: ["CLikeness"], linkerSettings: [.linkedLibrary("likeness")]),
        .target(name: "LikenessTestSupport", dependencies: ["Likeness"], path: "Tests/LikenessTestSupport"),
        .executableTarget(
            name: "ChildSession", dependencies: ["Likeness", "LikenessTestSupport"], path: "Tests/ChildSession"),
        .target(name: "App", dependencies: ["Likeness"], path: "App"),
        .testTarget(name: "AppTests", dependencies: ["App", "Likeness", "LikenessTestSupport"]),
        .testTarget(
            name: "LikenessTests", dependencies: ["CLikeness", "Likeness", "LikenessTestSupport"]),
    ]
)
