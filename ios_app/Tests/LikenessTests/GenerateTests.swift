import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// Pictures, and the rest of what an engine does.
@Suite(.timeLimit(.minutes(3)))
struct GenerateTests {
    let engine: Engine
    let folder: TemporaryFolder

    init() async throws {
        engine = try await World.engine()
        folder = try TemporaryFolder()
    }

    @Test("progress rises to its total, then come the pictures")
    func progress() async throws {
        var progress: [GenerateEvent.Progress] = []
        var pictures: [Picture] = []
        for try await event in try engine.generate(engine.quickSampling { $0.count = 2 }) {
            #expect(pictures.isEmpty)
            switch event {
            case .progress(let next): progress.append(next)
            case .pictures(let all): pictures = all
            }
        }
        #expect(zip(progress, progress.dropFirst()).allSatisfy { $0.done < $1.done && $0.total == $1.total })
        let last = try #require(progress.last)
        #expect(last.done == last.total)
        #expect(pictures.count == 2)
        #expect(pictures.allSatisfy { $0.width == engine.info.imageSize && $0.height == engine.info.imageSize })
        #expect(pictures.first != pictures.last)
    }

    @Test("a picture depends on its seed and number alone")
    func seeds() async throws {
        let two = try await engine.paint(engine.quickSampling { $0.count = 2 })
        #expect(try await engine.paint(engine.quickSampling()) == [two[0]])
        #expect(try await engine.paint(engine.quickSampling { $0.seed = 6 }) != [two[0]])
    }

    @Test("an adapter changes the picture and brings its token")
    func adapter() async throws {
        let adapter = try await engine.loadAdapter(engine.learn(folder.file("a")))
        let settings = try engine.quickSampling("a photo of a \(token) dog")
        let with = try await engine.paint(settings, adapter: adapter)
        #expect(try await engine.paint(settings) != with)
        #expect(try engine.tokenize(token, adapter: adapter).count == 1)
        #expect(try engine.tokenize(token).count > 1)
    }

    @Test("many tasks paint with one engine and one adapter at once")
    func manyTasks() async throws {
        let adapter = try await engine.loadAdapter(engine.learn(folder.file("a")))
        let settings = try (0..<12).map { seed in try engine.quickSampling("a \(token) dog") { $0.seed = seed } }
        var expected: [[Picture]] = []
        for one in settings { expected.append(try await engine.paint(one, adapter: adapter)) }
        let actual = try await withThrowingTaskGroup(of: (Int, [Picture]).self) { group in
            for (index, one) in settings.enumerated() {
                group.addTask { [engine] in (index, try await engine.paint(one, adapter: adapter)) }
            }
            return try await group.reduce(into: [Int: [Picture]]()) { $0[$1.0] = $1.1 }
        }
        #expect(Set(expected.map { $0[0].rgb }).count == 12)
        for index in settings.indices { #expect(actual[index] == expected[index]) }
    }

    @Test("cancelling the reading task stops the painting")
    func cancelled() async throws {
        let endless = try engine.quickSampling {
            $0.steps = 900
            $0.count = 1000  // hours
        }
        let started = Locked(false)
        let painting = Task { [engine] in
            for try await _ in engine.generate(endless) { started.withLock { $0 = true } }
        }
        try await waitFor { started.withLock { $0 } }
        painting.cancel()
        await #expect(throws: CancellationError.self) { try await painting.value }
    }

    @Test("two subjects merge into one adapter")
    func merge() async throws {
        let other = try engine.quickSettings {
            $0.token = "<your-cat>"
            $0.className = "cat"
            $0.seed = 12
        }
        let adapters = [
            try await engine.loadAdapter(engine.learn(folder.file("a"))),
            try await engine.loadAdapter(engine.learn(folder.file("b"), settings: other)),
        ]
        let file = folder.file("merged")
        try await engine.mergeAdapters(adapters, into: file)
        let merged = try await engine.loadAdapter(file)
        #expect(merged.info.tokens == [token, "<your-cat>"])
        #expect(merged.info.kind == "full")
        #expect(try await engine.paint(engine.quickSampling("a \(token) and a <your-cat>"), adapter: merged).count == 1)
        for bad in [Array(adapters.prefix(1)), [], adapters + adapters] {
            await expectFails(LikenessError.invalidArgument) { try await engine.mergeAdapters(bad, into: file) }
        }
    }

    @Test("an adapter that no engine loaded is refused")
    func foreignAdapter() async throws {
        final class Foreign: Adapter {
            let info = AdapterInfo(kind: "full", tokens: ["<a>"], className: "dog", json: "{}")
            func close() {}
        }
        await expectFails(LikenessError.invalidArgument, "no Engine's") {
            try await engine.paint(engine.quickSampling(), adapter: Foreign())
        }
        await expectFails(LikenessError.invalidArgument) {
            try await engine.mergeAdapters([Foreign(), Foreign()], into: folder.file("m"))
        }
    }

    @Test("a photo goes through the autoencoder")
    func encodeDecode() async throws {
        let shown = try await engine.encodeDecode(photo())
        #expect(shown.width == engine.info.imageSize && shown.height == engine.info.imageSize)
        #expect(try await engine.encodeDecode(photo(seed: 1)) != shown)
    }

    @Test("the engine tells of its bundle")
    func info() async throws {
        let info = engine.info
        #expect(info.modelName == "tiny" && info.imageSize == 32 && info.maxModifierTokens == 2)
        #expect(info.adapterKinds == ["full", "lora"])
        #expect(info.classes.contains("dog") && info.classes.contains("cat"))
        #expect(try jsonObject(info.json)["recommended"] != nil)
        let before = try await engine.paint(engine.quickSampling())
        try engine.trim()
        #expect(try await engine.paint(engine.quickSampling()) == before)
    }
}
