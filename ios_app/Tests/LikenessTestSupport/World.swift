import Foundation
import Likeness

public let token = "<my-dog>"

/// Where things are; `python -m tests.bundles tiny default` makes the bundles, `make core` the core.
public enum World {
    public static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A very small model's bundle: everything takes milliseconds, pictures are noise.
    public static let tinyBundle = bundle("tiny")

    /// The bundle of the model that is shipped.
    public static let defaultBundle = bundle("default")

    /// Open for all tests; nobody closes it.
    public static func engine() async throws -> Engine {
        try await sharedEngine.value
    }

    /// All engines of a process share their threads: every test opens with one.
    public static func open(_ bundle: URL, memoryLimitBytes: Int = 0) async throws -> Engine {
        try await Engine.open(
            bundle, options: EngineOptions(verifyHashes: false, threads: 1, memoryLimitBytes: memoryLimitBytes))
    }

    private static let sharedEngine = Task { try await open(tinyBundle) }

    private static func bundle(_ name: String) -> URL {
        repository.appendingPathComponent("build/test_bundles/\(name)/bundle")
    }
}
