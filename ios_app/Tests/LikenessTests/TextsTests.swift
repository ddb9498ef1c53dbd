import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// Texts cross whole: beyond the BMP, and never with a zero in them. That Python reads the same is tested elsewhere.
@Suite(.timeLimit(.minutes(3)))
struct TextsTests {
    private static let cat = "\u{1F408}"

    let engine: Engine
    let folder: TemporaryFolder

    init() async throws {
        engine = try await World.engine()
        folder = try TemporaryFolder()
    }

    @Test("a zero character is refused wherever it stands")
    func zero() async throws {
        let calls: [() async throws -> Void] = [
            { _ = try await engine.paint(engine.quickSampling("a\0b")) },
            { _ = try await engine.paint(engine.quickSampling { $0.negativePrompt = "\0" }) },
            { _ = try await engine.paint(engine.quickSampling { $0.sampler = "ddim\0" }) },
            { _ = try engine.tokenize("a\0") },
            { _ = try await engine.createSession(engine.quickSettings { $0.className = "dog\0" }, journal: nil) },
        ]
        for call in calls {
            await expectFails(LikenessError.invalidArgument, "a text contains a zero character; remove it", call)
        }
    }

    @Test("tokens, classes and file names beyond the BMP come back as they went")
    func beyondTheBMP() async throws {
        let cat = Self.cat
        let settings = try engine.quickSettings {
            $0.token = "<\(cat)>"
            $0.className = "Kä \(cat)"
            $0.steps = 1
        }
        let photos = folder.file("Fotos 100% \(cat)")
        try FileManager.default.createDirectory(at: photos, withIntermediateDirectories: true)
        let file = try await engine.learn(photos.appendingPathComponent("\(cat).safetensors"), settings: settings)
        #expect(file.exists)
        let adapter = try await engine.loadAdapter(file)
        #expect(adapter.info.tokens == ["<\(cat)>"])
        #expect(adapter.info.className == "Kä \(cat)")
        #expect(try engine.tokenize("<\(cat)>", adapter: adapter).count == 1)
        #expect(
            try engine.tokenize("a <\(cat)> dog", adapter: adapter).count == engine.tokenize("a dog").count + 1)
        await expectFails(LikenessError.storage, "no \(cat)") {
            try await engine.loadAdapter(photos.appendingPathComponent("no \(cat)"))
        }
    }

    @Test("characters beyond the BMP are their own")
    func ownTokens() throws {
        #expect(try engine.tokenize(Self.cat) != engine.tokenize("\u{1F415}"))
        #expect(try engine.tokenize("").isEmpty)
    }
}
