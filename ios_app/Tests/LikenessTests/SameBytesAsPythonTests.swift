import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// Swift's and Python's wrappers are twins: the shipped model learns and paints the same bytes through both.
///
/// What Python made lies in build/ios_app/reference, by Tests/python/make_reference.py: the toolchain that these tests
/// run in has no Python.
@Suite(.timeLimit(.minutes(5)))
struct SameBytesAsPythonTests {
    struct Request: Decodable {
        struct Photo: Decodable {
            let file: String
            let width: Int
            let height: Int
        }
        struct Training: Decodable {
            let className: String
            let token: String
            let steps: Int
            let views: Int
            let seed: UInt64
        }
        struct Sampling: Decodable {
            let prompt: String
            let steps: Int
            let count: Int
            let seed: UInt64
        }
        let photos: [Photo]
        let training: Training
        let sampling: Sampling
        let texts: [String]
    }

    let reference = World.repository.appendingPathComponent("build/ios_app/reference")
    let request: Request

    init() throws {
        let file = reference.appendingPathComponent("request.json")
        try #require(file.exists, "\(file.path) is missing: ios_app/tools/test_ios.sh makes it")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        request = try decoder.decode(Request.self, from: Data(contentsOf: file))
    }

    @Test("the shipped model learns and paints the same bytes")
    func sameBytes() async throws {
        let folder = try TemporaryFolder()
        let engine = try await World.open(World.defaultBundle)
        let session = try await engine.createSession(trainSettings(engine), journal: nil)
        for photo in request.photos {
            let rgb = [UInt8](try made(photo.file))
            try await session.addPhoto(Picture(width: photo.width, height: photo.height, rgb: rgb))
        }
        #expect(try await session.finish().last?.training?.step == request.training.steps)
        let file = folder.file("swift.safetensors")
        try await session.saveAdapter(file)
        #expect(try Data(contentsOf: file) == made("adapter.safetensors"))

        let adapter = try await engine.loadAdapter(file)
        let pictures = try await engine.paint(sampleSettings(engine), adapter: adapter)
        #expect(pictures.count == request.sampling.count)
        #expect(pictures.allSatisfy { $0.width == engine.info.imageSize && $0.height == engine.info.imageSize })
        #expect(try Data(pictures.flatMap(\.rgb)) == made("pictures.rgb"))

        let tokens = try JSONDecoder().decode([[Int]].self, from: made("tokens.json"))
        #expect(tokens.count == request.texts.count)
        #expect(try request.texts.map { try engine.tokenize($0, adapter: adapter) } == tokens)
    }

    private func trainSettings(_ engine: Engine) throws -> TrainSettings {
        let training = request.training
        var settings = try engine.trainSettings(className: training.className, token: training.token)
        settings.steps = training.steps
        settings.views = training.views
        settings.seed = training.seed
        return settings
    }

    private func sampleSettings(_ engine: Engine) throws -> SampleSettings {
        var settings = try engine.sampleSettings(prompt: request.sampling.prompt)
        settings.steps = request.sampling.steps
        settings.count = request.sampling.count
        settings.seed = request.sampling.seed
        return settings
    }

    private func made(_ name: String) throws -> Data {
        try Data(contentsOf: reference.appendingPathComponent(name))
    }
}
