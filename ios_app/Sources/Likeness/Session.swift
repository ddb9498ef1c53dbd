import CLikeness
import Foundation

/// A session of the core. ``Engine/createSession(_:journal:)`` and ``Engine/resumeSession(journal:)`` make them.
public final class Session: Personalization {
    private let handle: ExclusiveHandle

    /// Owns the session at `address`.
    init(_ address: OpaquePointer) {
        // LK_BUSY cannot be: whoever runs it is inside the handle, and keeps it.
        handle = ExclusiveHandle(CoreObject(address) { _ = lk_session_close($0) }, "session")
    }

    /// True where `journal` holds a session whose photos are encoded, so that it can be resumed without them.
    public static func canResume(_ journal: URL) -> Bool {
        var isFolder: ObjCBool = false
        let views = journal.appendingPathComponent("views.safetensors").path
        return FileManager.default.fileExists(atPath: views, isDirectory: &isFolder) && !isFolder.boolValue
    }

    public func addPhoto(_ photo: Picture) async throws {
        try await onHandle { session in
            try check(
                lk_session_add_photo(
                    session, photo.rgb, Int32(photo.width), Int32(photo.height),
                    Picture.bytesPerPixel * photo.width, Int32(Picture.bytesPerPixel)))
        }
    }

    public var plan: Plan {
        get async throws {
            try await onHandle { session in
                var plan = lk_plan()
                try check(lk_session_plan(session, &plan))
                return Plan(plan)
            }
        }
    }

    public func run() -> EventStream<TrainEvent> {
        EventStream { [handle] in SessionRun(handle) }
    }

    public func pause() throws {
        try handle.signal(lk_session_pause)
    }

    public func unpause() throws {
        try handle.signal(lk_session_unpause)
    }

    public func cancel() throws {
        try handle.signal(lk_session_cancel)
    }

    public func saveAdapter(_ file: URL) async throws {
        let path = try file.corePath()
        try await onHandle { session in
            try withTexts(path) { try check(lk_session_save_adapter(session, $0[0])) }
        }
    }

    public func close() throws {
        try handle.close()
    }

    private func onHandle<Result: Sendable>(
        _ body: @escaping @Sendable (OpaquePointer) throws -> Result
    ) async throws -> Result {
        // Refused here and now, and not when a thread has started.
        let visit = try handle.enter()
        defer { handle.leave(visit) }
        return try await onThread("likeness-call") { [handle] in try body(handle.address(visit)) }
    }
}

extension Plan {
    fileprivate init(_ plan: lk_plan) {
        self.init(
            steps: Int(plan.steps), stepsDone: Int(plan.steps_done), photos: Int(plan.photos), views: Int(plan.views),
            instanceRows: Int(plan.instance_rows), priorRows: Int(plan.prior_rows),
            memoryBytes: Int(clamping: plan.memory_bytes),
            residentMemoryBytes: Int(clamping: plan.resident_memory_bytes),
            journalBytes: Int(clamping: plan.journal_bytes), staged: plan.staged != 0,
            priorClass: withUnsafeBytes(of: plan.prior_class) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            })
    }
}
