import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// Cancelling and pausing a session on its way.
@Suite(.timeLimit(.minutes(3)))
struct InterruptionTests {
    private struct Mine: Error {}

    /// What a session learns that nobody disturbs.
    private static let undisturbed = Task { try await World.engine().learned(long()) }

    let engine: Engine
    let folder: TemporaryFolder
    let journal: URL
    let state: URL

    init() async throws {
        engine = try await World.engine()
        folder = try TemporaryFolder()
        journal = folder.file("journal")
        state = journal.appendingPathComponent("state.safetensors")
    }

    /// Long enough to be interrupted; checkpoints only where it is.
    private static func long() async throws -> TrainSettings {
        try await World.engine().quickSettings {
            $0.steps = 400
            $0.checkpointEvery = 10_000
        }
    }

    private func longSession(steps: Int = 400) async throws -> any Personalization {
        var settings = try await Self.long()
        settings.steps = steps
        return try await engine.newSession(journal: journal, settings: settings)
    }

    private func expectResumesToTheSameBytes() async throws {
        let session = try await engine.resumeSession(journal: journal)
        let done = try await session.plan.stepsDone
        #expect((1..<400).contains(done), "at step \(done)")
        try await session.finish()
        #expect(try await session.adapterBytes() == Self.undisturbed.value)
    }

    @Test("cancel writes a checkpoint and is an error of the run")
    func cancel() async throws {
        let session = try await longSession()
        await expectFails(LikenessError.cancelled, "cancelled") {
            for try await event in session.run() where event.isStep(3) { try session.cancel() }
        }
        #expect(state.exists)
        try session.close()
        try await expectResumesToTheSameBytes()
    }

    @Test("a cancelled session goes on when it is run again")
    func runAgain() async throws {
        let session = try await longSession()
        for step in [3, 20] {
            // Once: events still come when the run has ended, and a cancel then is the next one's.
            var cancelled = false
            await expectFails(LikenessError.cancelled) {
                for try await event in session.run() where event.isStep(step) && !cancelled {
                    cancelled = true
                    try session.cancel()
                }
            }
        }
        try await session.finish()
        #expect(try await session.adapterBytes() == Self.undisturbed.value)
    }

    @Test("cancel before the run is not lost")
    func cancelBefore() async throws {
        let session = try await engine.newSession()
        try session.cancel()
        await expectFails(LikenessError.cancelled) { try await session.finish() }
        #expect(try await session.finish().contains { $0.isStep(6) })
    }

    @Test("cancelling the reading task ends when the checkpoint is written")
    func cancelTask() async throws {
        let session = try await longSession()
        let training = Locked(false)
        let reader = Task {
            for try await event in session.run() where event.isStep(3) { training.withLock { $0 = true } }
        }
        try await waitFor { training.withLock { $0 } }
        #expect(!state.exists)
        reader.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
        #expect(state.exists)
        #expect(try await session.plan.stepsDone >= 3)  // would be refused while it runs
        try session.close()
        try await expectResumesToTheSameBytes()
    }

    @Test("cancelling the reading task wakes a paused session")
    func cancelPaused() async throws {
        let session = try await longSession()
        let reader = Task {
            for try await event in session.run() where event.isStep(3) { try session.pause() }
        }
        try await waitFor { state.exists }
        reader.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
        try session.unpause()
        try session.close()
        try await expectResumesToTheSameBytes()
    }

    @Test("an error of the one who collects ends the run and is thrown")
    func collectorFails() async throws {
        let session = try await longSession()
        await #expect(throws: Mine.self) {
            try await session.run().collect { if $0.isStep(3) { throw Mine() } }
        }
        #expect(try await session.plan.stepsDone >= 3)
        try session.close()
        try await expectResumesToTheSameBytes()
    }

    @Test("pause stops, unpause goes on, and nothing else may be done meanwhile")
    func pause() async throws {
        let session = try await longSession(steps: 100_000)
        let steps = Locked(0)
        let reader = Task {
            for try await event in session.run() where event.training != nil { steps.withLock { $0 += 1 } }
        }
        try await waitFor { steps.withLock { $0 } > 5 }
        try session.pause()
        try await waitFor { state.exists }  // written when it pauses, and not before
        try await Task.sleep(for: .milliseconds(100))
        let atPause = steps.withLock { $0 }
        try await Task.sleep(for: .milliseconds(300))
        #expect(steps.withLock { $0 } == atPause)

        let refused: [() async throws -> Void] = [
            { try session.close() },
            { _ = try await session.plan },
            { try await session.saveAdapter(folder.file("a")) },
            { try await session.addPhoto(photo()) },
            { try await session.finish() },
        ]
        for call in refused { await expectFails(LikenessError.busy, "in use", call) }

        try session.unpause()
        try await waitFor { steps.withLock { $0 } > atPause }
        try session.pause()
        reader.cancel()  // also out of a pause
        await #expect(throws: CancellationError.self) { try await reader.value }
    }

    @Test("a session that is closed while it runs is not closed")
    func closeRunning() async throws {
        let session = try await longSession(steps: 100_000)
        var refusals = 0
        await expectFails(LikenessError.cancelled) {
            for try await event in session.run() where event.isStep(3) && refusals == 0 {
                await expectFails(LikenessError.busy) { try session.close() }
                refusals += 1
                try session.cancel()
            }
        }
        #expect(refusals == 1)
        #expect(try await session.plan.stepsDone >= 3)
    }

    @Test("a second reader is refused and does not disturb the first")
    func secondReader() async throws {
        let session = try await longSession()
        var refusals = 0
        for try await event in session.run() where refusals == 0 && event.training != nil {
            await expectFails(LikenessError.busy) { try await session.finish() }
            refusals += 1
        }
        #expect(refusals == 1)
        #expect(try await session.adapterBytes() == Self.undisturbed.value)
    }
}
