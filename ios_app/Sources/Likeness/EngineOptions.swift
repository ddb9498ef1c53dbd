import Foundation

/// How to open a bundle.
public struct EngineOptions: Sendable, Equatable {
    /// Hash every file of the bundle when it is opened.
    public var verifyHashes: Bool
    /// 0: one a physical core. The same for all engines of a process. Core ML chooses for itself.
    public var threads: Int
    /// 0: none. Otherwise programs beyond it are loaded when they are needed and unloaded at once, which is slower.
    public var memoryLimitBytes: Int
    /// Where Core ML's programs are kept as they were compiled for this device; may be emptied at any time. nil: a folder
    /// of its own in the system's folder for caches.
    public var cacheFolder: URL?

    public init(
        verifyHashes: Bool = true, threads: Int = 0, memoryLimitBytes: Int = 0, cacheFolder: URL? = nil
    ) {
        self.verifyHashes = verifyHashes
        self.threads = threads
        self.memoryLimitBytes = memoryLimitBytes
        self.cacheFolder = cacheFolder
    }
}
