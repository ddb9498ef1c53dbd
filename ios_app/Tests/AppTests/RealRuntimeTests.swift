import Foundation
import Likeness
import Testing

@testable import App

/// The screens over the real core and the tests' smallest bundle: photos in, a picture out, with a kill in between.
@MainActor
@Suite(.timeLimit(.minutes(5)))
struct RealRuntimeTests {
    private static let bundle = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "build/test_bundles/tiny/bundle")

    private let engine: Engine

    init() async throws {
        engine = try await Engine.open(Self.bundle, options: EngineOptions(verifyHashes: false, threads: 1))
    }

    /// Noise, another for each `seed`: what it shows matters to nobody here.
    private struct Photo: PickedPhoto {
        let seed: Int

        func picture() async throws -> Picture {
            var state = UInt32(seed)
            return try Picture(
                width: 48, height: 40,
                rgb: (0..<3 * 48 * 40).map { _ in
                    state = state &* 1_664_525 &+ 1_013_904_223
                    return UInt8(state >> 24)
                })
        }
    }

    private func teach(_ world: World, _ name: String = "Minka", className: String = "cat") async throws -> ItemID {
        let model = ViewModels(world.graph).teach()
        await model.addPhotos((0..<3).map(Photo.init))
        #expect(model.state.photos.count == 3 && model.state.problem == nil)
        model.setName(name)
        model.setClassName(className)
        try await wait(for: { model.state }) { $0.canStart }
        await model.start()
        return try #require(model.state.startedID)
    }

    private func learned(_ world: World, _ id: ItemID) async throws -> Data {
        let model = ViewModels(world.graph).training(id)
        try await wait(for: { model.state }) { $0.training.stage == .done || $0.training.stage == .failed }
        #expect(model.state.training.problem == nil)
        await world.worker.finished()
        return try Data(contentsOf: world.subjects.files(id).adapter)
    }

    @Test func aSubjectIsTaughtKilledResumedPaintedSharedAndImportedElsewhere() async throws {
        let world = World(studio: engine)
        let id = try await teach(world)
        try await world.untilStep(1)
        let killed = try world.folder.snapshot()
        let whole = try await learned(world, id)

        let next = World(killed, studio: engine)
        await next.graph.ready()
        #expect(next.subjects.find(id)?.state == .learning)
        next.worker.resumePending()
        #expect(try await learned(next, id) == whole)

        let elsewhere = World(studio: engine)
        let gallery = ViewModels(next.graph).subjects
        await gallery.export(try #require(next.subjects.find(id)))
        let file = try #require(gallery.state.exporting?.file)
        let other = ViewModels(elsewhere.graph).subjects
        await other.importAdapter(file)
        #expect(other.state.problem == nil)

        let here = try await painted(next)
        let there = try await painted(elsewhere)
        #expect(try PngReader.read(here).width == engine.info.imageSize)
        #expect(here == there)
    }

    private func painted(_ world: World) async throws -> Data {
        let model = ViewModels(world.graph).paint
        await model.prepare()
        model.begin(with: try #require(world.subjects.subjects.first).id)
        model.setSteps(2)
        model.setSeed("5")
        model.paint()
        let state = try await wait(for: { model.state }) { $0.progress == nil }
        #expect(state.problem == nil)
        return try Data(contentsOf: world.pictures.file(try #require(state.painted.first).id))
    }

    /// Two real adapters in one prompt, merged by the core.
    @Test func twoSubjectsAreInOnePicture() async throws {
        let world = World(studio: engine)
        _ = try await learned(world, try await teach(world))
        _ = try await learned(world, try await teach(world, "Rex", className: "dog"))

        let model = ViewModels(world.graph).paint
        await model.prepare()
        model.setPrompt("a")
        for subject in world.subjects.subjects { model.insert(subject) }
        model.setSteps(2)
        model.paint()
        let state = try await wait(for: { model.state }) { $0.progress == nil }
        #expect(state.problem == nil)
        #expect(state.painted.first?.subjects.count == 2)
        #expect(filesUnder(world.layout.merged).count == 1)
    }

    @Test func aStrangersFileIsRefusedByTheCoreAndLeavesNothing() async throws {
        let world = World(studio: engine)
        await world.graph.ready()
        let header = Data(#"{"__metadata__":{"format":"likeness-adapter"}}"#.utf8)
        let bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
        let file = AppFolder()
        let strangers = file.root.appending(path: "evil.safetensors")
        try bytes.write(to: strangers)
        let model = ViewModels(world.graph).subjects
        await model.importAdapter(strangers)
        let problem = try #require(model.state.problem)
        #expect(problem.kind == .damagedFile || problem.kind == .otherVersion, "\(problem)")
        #expect(!problem.detail.isEmpty)
        #expect(world.folder.files.subtracting(["checked-model.json"]) == [])
    }
}
