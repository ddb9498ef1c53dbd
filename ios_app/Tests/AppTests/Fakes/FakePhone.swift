import Foundation
import Likeness

@testable import App

/// The storage of a desktop that can be full: `room` bytes are left, and what would take more fails as write(2) does.
final class FakeVolume: Volume {
    private let left = Locked(Int.max)

    var room: Int {
        get { left.withLock { $0 } }
        set { left.withLock { $0 = newValue } }
    }

    func freeBytes(at folder: URL) -> Int { room }

    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
        left.withLock { room in
            guard room > 0 else {
                errno = ENOSPC
                return -1
            }
            let written = Foundation.write(descriptor, bytes.baseAddress, min(bytes.count, room))
            room -= max(0, written)
            return written
        }
    }
}

@MainActor
final class FakeConditions: ConditionsSource {
    var phone = Conditions()

    func read() -> Conditions { phone }
}

/// Notes what it was asked for; a test lends time as iOS would.
@MainActor
final class FakeBackgroundTime: BackgroundTime {
    /// What the next request for grace gets.
    var nextGrace: FakeWork?
    private(set) var isProcessingRequested = false
    private(set) var continued: [String] = []

    func grace() -> (any BackgroundWork)? {
        defer { nextGrace = nil }
        return nextGrace
    }

    func requestProcessing() { isProcessingRequested = true }

    func cancelProcessing() { isProcessingRequested = false }

    func requestContinued(_ name: String) { continued.append(name) }
}

@MainActor
final class FakeWork: BackgroundWork {
    var onExpiration: (() -> Void)?
    private(set) var fractions: [Double] = []
    private(set) var completions: [Bool] = []

    func show(fraction: Double) { fractions.append(fraction) }

    func complete(success: Bool) { completions.append(success) }
}

/// Photos that were added, by their name outside.
final class FakePhotoLibrary: PhotoLibrary {
    let added = Locked<[Data]>([])
    /// Thrown by the next addition.
    let failure = Locked<(any Error)?>(nil)

    func add(_ file: URL) async throws {
        if let failure = failure.withLock({ $0.take() }) { throw failure }
        let bytes = try Data(contentsOf: file)
        added.withLock { $0.append(bytes) }
    }
}

final class FakeBackups: Backups {
    let excluded = Locked<Bool?>(nil)
    /// Thrown by the next change.
    let failure = Locked<(any Error)?>(nil)

    func setExcluded(_ excluded: Bool, _ folder: URL) throws {
        if let failure = failure.withLock({ $0.take() }) { throw failure }
        self.excluded.withLock { $0 = excluded }
    }
}

/// A photo of `side` pixels; nil: one that cannot be read.
struct FakePhoto: PickedPhoto {
    var side: Int?

    func picture() async throws -> Picture {
        guard let side else { throw LikenessError.badPhoto("this is no photo") }
        return plainPicture(1, side: side)
    }
}

extension Optional {
    /// What it holds, once.
    fileprivate mutating func take() -> Wrapped? {
        defer { self = nil }
        return self
    }
}
