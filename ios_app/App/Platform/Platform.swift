import Foundation
import Likeness

/// What the app needs of the phone. ``Platform/phone`` is the real one; tests have their own.
@MainActor
struct Platform {
    var volume: any Volume
    var conditions: any ConditionsSource
    var backgroundTime: any BackgroundTime
    var photoLibrary: any PhotoLibrary
    var backups: any Backups
    /// Bytes of memory that the system leaves to this app; any thread may ask.
    var freeMemoryBytes: @Sendable () -> Int
    /// Milliseconds since 1970.
    var now: () -> Int
}

/// What decides whether a folder goes into the phone's backups.
protocol Backups: Sendable {
    /// Blocks. Throws what keeps the system from it.
    func setExcluded(_ excluded: Bool, _ folder: URL) throws
}

/// What opens the bundle in a folder, checking hashes or not.
typealias OpenStudio = @Sendable (_ folder: URL, _ verifyHashes: Bool) async throws -> any Studio
