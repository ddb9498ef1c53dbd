import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// Closing and letting go in any order, from any thread, at any time: a ``ClosedError`` at worst, never a crash.
@Suite(.timeLimit(.minutes(3)))
struct ClosingTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test("every call on a closed object says that it is closed")
    func everyCall() async throws {
        let shared = try await World.engine()
        let engine = try await World.open(World.tinyBundle)
        let file = try await engine.learn(folder.file("a"))
        let adapter = try await engine.loadAdapter(file)
        let session = try await engine.newSession()
        let settings = try engine.quickSettings()
        let sampling = try engine.quickSampling()
        try session.close()
        adapter.close()
        engine.close()

        let other = folder.file("b")
        let engineCalls: [() async throws -> Void] = [
            { _ = try engine.trainSettings(className: "dog", token: token) },
            { _ = try engine.sampleSettings(prompt: "a dog") },
            { _ = try await engine.createSession(settings, journal: nil) },
            { _ = try await engine.resumeSession(journal: folder.url) },
            { _ = try await engine.loadAdapter(file) },
            { try await engine.mergeAdapters([adapter], into: other) },
            { _ = try await engine.paint(sampling) },
            { _ = try engine.tokenize("a dog") },
            { _ = try await engine.encodeDecode(photo()) },
            { try engine.trim() },
        ]
        for call in engineCalls { await expectClosed("engine", call) }
        let adapterCalls: [() async throws -> Void] = [
            { _ = try await shared.paint(sampling, adapter: adapter) },
            { _ = try shared.tokenize("a dog", adapter: adapter) },
            { try await shared.mergeAdapters([adapter, adapter], into: other) },
        ]
        for call in adapterCalls { await expectClosed("adapter", call) }
        let sessionCalls: [() async throws -> Void] = [
            { try await session.addPhoto(photo()) },
            { _ = try await session.plan },
            { try await session.finish() },
            { try session.pause() },
            { try session.unpause() },
            { try session.cancel() },
            { try await session.saveAdapter(other) },
        ]
        for call in sessionCalls { await expectClosed("session", call) }
    }

    @Test("closing twice does nothing, and what an object says of itself stays readable")
    func twice() async throws {
        let engine = try await World.open(World.tinyBundle)
        let adapter = try await engine.loadAdapter(engine.learn(folder.file("a")))
        let session = try await engine.newSession()
        for _ in 0..<2 {
            try session.close()
            adapter.close()
            engine.close()
        }
        #expect(engine.info.modelName == "tiny")
        #expect(adapter.info.tokens == [token])
    }

    @Test("sessions and adapters outlive their engine")
    func outlive() async throws {
        let engine = try await World.open(World.tinyBundle)
        let adapter = try await engine.loadAdapter(engine.learn(folder.file("a")))
        let session = try await engine.newSession()
        engine.close()
        #expect(try await session.finish().count > 0)
        let shared = try await World.engine()
        #expect(try await shared.paint(shared.quickSampling(), adapter: adapter).count == 1)
    }

    @Test("pictures that are being painted are finished when engine and adapter are closed")
    func finished() async throws {
        let engine = try await World.open(World.tinyBundle)
        let adapter = try await engine.loadAdapter(engine.learn(folder.file("a")))
        let settings = try engine.quickSampling("a \(token) dog") { $0.steps = 40 }
        let expected = try await engine.paint(settings, adapter: adapter)
        let painting = engine.generate(settings, adapter: adapter)
        var last: GenerateEvent?
        for try await event in painting {
            if last == nil {
                engine.close()
                adapter.close()
            }
            last = event
        }
        #expect(last == .pictures(expected))
        await expectClosed("engine") { for try await _ in painting {} }
    }

    @Test("a session that is let go is closed, at once", arguments: 0..<20)
    func letGo(_: Int) async throws {
        let engine = try await World.engine()
        let journal = folder.file("journal")
        do {
            let session = try await engine.newSession(journal: journal)
            try await session.finish()
            try await session.saveAdapter(folder.file("a"))
        }
        // Only a freed session lets go of its journal.
        for _ in 0..<3 { #expect(try await engine.resumeSession(journal: journal).plan.stepsDone == 6) }
    }

    @Test("a session that is let go while it runs ends after its checkpoint, and is freed")
    func letGoWhileRunning() async throws {
        let journal = folder.file("journal")
        let settings = try await World.engine().quickSettings {
            $0.steps = 400
            $0.checkpointEvery = 10_000
        }
        do {
            let engine = try await World.open(World.tinyBundle)
            for try await event in try await engine.newSession(journal: journal, settings: settings).run()
            where event.isStep(3) { break }
        }
        // Nobody refers to the session or its engine any more.
        let engine = try await World.engine()
        let resumed = try await retryingWhileBusy { try await engine.resumeSession(journal: journal) }
        let done = try await resumed.plan.stepsDone
        #expect((3..<400).contains(done), "at step \(done)")
        try await resumed.finish()
        #expect(try await resumed.adapterBytes() == engine.learned(settings))
    }

    @Test("tasks that use and close the same objects never crash")
    func race() async throws {
        let file = try await World.engine().learn(folder.file("a"))
        var completed = 0
        for round in 0..<20 {
            let engine = try await World.open(World.tinyBundle)
            let adapter = try await engine.loadAdapter(file)
            let session = try await engine.newSession()
            let calls: [@Sendable () async throws -> Void] = [
                { _ = try await engine.paint(engine.quickSampling(), adapter: adapter) },
                { _ = try engine.tokenize("a \(token) dog", adapter: adapter) },
                { try await engine.loadAdapter(file).close() },
                { try await session.finish() },
                {
                    try session.pause()
                    try session.unpause()
                },
                { _ = try await session.plan },
            ]
            completed += try await withThrowingTaskGroup(of: Int.self) { group in
                for call in calls { group.addTask { try await fiveTimes(call) } }
                try await Task.sleep(for: .milliseconds(round))
                adapter.close()
                engine.close()
                try await retryingWhileBusy { try session.close() }
                return try await group.reduce(0, +)
            }
        }
        #expect(completed > 0, "no task came to its end before the objects were closed")
    }

    /// 1 where every call succeeded, 0 where one found its object closed, or the session somebody else's just now.
    private func fiveTimes(_ call: @Sendable () async throws -> Void) async throws -> Int {
        do {
            for _ in 0..<5 { try await call() }
            return 1
        } catch is ClosedError {
            return 0
        } catch LikenessError.busy {
            return 0
        }
    }

    private func retryingWhileBusy<Result>(_ body: () async throws -> Result) async throws -> Result {
        while true {
            do {
                return try await body()
            } catch LikenessError.busy {
                try await Task.sleep(for: .milliseconds(1))
            }
        }
    }
}
