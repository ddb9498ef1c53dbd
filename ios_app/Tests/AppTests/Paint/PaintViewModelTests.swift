import Foundation
import Likeness
import Testing

@testable import App

@MainActor
struct PaintViewModelTests {
    private let world = World()

    private func ready(_ world: World) async -> PaintViewModel {
        await world.graph.ready()
        let model = ViewModels(world.graph).paint
        await model.prepare()
        return model
    }

    private func painted(_ model: PaintViewModel) async throws -> [KeptPicture] {
        model.paint()
        let state = try await wait(for: { model.state }) { $0.progress == nil }
        #expect(state.problem == nil)
        return state.painted
    }

    @Test func paintsWhatTheModelRecommendsAndKeepsIt() async throws {
        let minka = try await world.readySubject()
        let model = await ready(world)
        model.begin(with: minka.id)
        #expect(model.state.settings.prompt == "a photo of a <my-minka> cat")
        #expect(model.state.used == [minka])
        model.setCount(2)
        let painted = try await painted(model)
        #expect(painted == world.pictures.pictures)
        #expect(painted.map(\.index) == [0, 1])
        let first = try #require(painted.first)
        #expect(first.prompt == "a photo of a <my-minka> cat")
        #expect(first.negativePrompt == "blurry")
        #expect(first.subjects == ["Minka"])
        #expect(first.steps == 10 && first.guidance == 4)
        #expect(first.createdAt == 7)
        let asked = try #require(world.fake.generated.first)
        #expect(asked.seed == first.seed && asked.count == 2)
        #expect(world.fake.openAdapters == 0)
    }

    @Test func whatIsChosenBeforeTheModelIsOpenStays() async throws {
        let picture = KeptPicture(
            id: ItemID(), prompt: "a cat", negativePrompt: "", seed: 42, index: 0, steps: 7, guidance: 2.5,
            subjects: [], createdAt: 1)
        let model = ViewModels(world.graph).paint
        model.begin(with: picture)
        await model.prepare()
        #expect(
            model.state.settings
                == PaintSettings(prompt: "a cat", negativePrompt: "", seed: 42, steps: 7, guidance: 2.5, count: 1))
    }

    @Test func theSeedIsNewEachTimeUnlessItIsSet() async throws {
        let drawn = Locked<[UInt64]>([11, 22])
        let graph = world.graph
        let model = PaintViewModel(
            subjects: graph.subjects, pictures: graph.pictures, painter: graph.painter, worker: graph.worker,
            drawSeed: { range in drawn.withLock { $0.removeFirst() % range.upperBound } })
        await model.prepare()
        model.setPrompt("a cat")
        _ = try await painted(model)
        _ = try await painted(model)
        model.setSeed("12a3")
        #expect(!model.state.newSeedEachTime)
        _ = try await painted(model)
        #expect(world.fake.generated.map(\.seed) == [11, 22, 123])
        model.setSeed("x")
        #expect(model.state.settings.seed == 0)
        model.setSeed("99999999999999999999999")
        #expect(model.state.settings.seed == 0)
    }

    @Test func twoSubjectsAreMergedOnce() async throws {
        let minka = try await world.readySubject("Minka")
        let rex = try await world.readySubject("Rex")
        let model = await ready(world)
        model.setPrompt("photo of ")
        model.insert(minka, at: 9)
        model.insert(rex)
        #expect(model.state.settings.prompt == "photo of <my-minka> cat <my-rex> cat")
        #expect(try await Set(painted(model).first?.subjects ?? []) == ["Minka", "Rex"])
        #expect(filesUnder(world.layout.merged).count == 1)
        world.fake.failNext(.mergeAdapters, .invalidArgument("merged twice"))
        _ = try await painted(model)
        try await world.subjects.delete(rex.id)
        #expect(filesUnder(world.layout.merged) == [])
    }

    @Test func moreSubjectsThanTheModelCanTellApartAreRefused() async throws {
        for name in ["a", "b", "c"] { _ = try await world.readySubject(name) }
        let model = await ready(world)
        model.setPrompt("<my-a> <my-b> <my-c>")
        #expect(model.state.tooManySubjects && !model.state.canPaint)
        model.paint()
        #expect(model.state.progress == nil)
    }

    @Test func aPromptWithoutSubjectsIsPaintedByTheModelAlone() async throws {
        let model = await ready(world)
        #expect(!model.state.canPaint)
        model.setPrompt("a cat")
        #expect(try await painted(model).map(\.subjects) == [[]])
    }

    @Test func cancellingKeepsNothing() async throws {
        let world = World(AppFolder(), FakeStudio(step: .milliseconds(20)))
        let model = await ready(world)
        model.setPrompt("a cat")
        model.paint()
        try await wait(for: { model.state }) { ($0.progress?.done ?? 0) > 1 }
        model.cancel()
        let state = try await wait(for: { model.state }) { $0.progress == nil }
        #expect(state.problem == nil && state.painted == [] && state.canPaint)
        #expect(world.pictures.pictures == [])
    }

    @Test func whatTheCoreRefusesIsSaid() async throws {
        let minka = try await world.readySubject()
        let model = await ready(world)
        model.begin(with: minka.id)
        for function in [FakeStudio.Function.loadAdapter, .generate] {
            world.fake.failNext(function, .outOfMemory("too little memory"))
            model.paint()
            let state = try await wait(for: { model.state }) { $0.progress == nil }
            #expect(state.problem == Problem(.outOfMemory, "too little memory"))
            model.dismissProblem()
            #expect(world.fake.openAdapters == 0)
        }
    }

    @Test func aFullStorageIsSaid() async throws {
        let model = await ready(world)
        model.setPrompt("a cat")
        world.volume.room = 10
        model.paint()
        let state = try await wait(for: { model.state }) { $0.progress == nil }
        #expect(state.problem?.kind == .storageFull)
    }

    @Test func trainingWaitsMeanwhile() async throws {
        let world = World(AppFolder(), FakeStudio(step: .milliseconds(5), trainSteps: 500))
        let model = await ready(world)
        world.worker.start(try await world.newSubject().id)
        try await world.until(.training)
        model.setPrompt("a cat")
        model.paint()
        try await world.until { $0.cause == .painting }
        try await wait(for: { model.state }) { $0.progress == nil }
        try await world.until { $0.cause == nil }
    }

    @Test func aKeptPictureIsPaintedAgainWithItsSettings() async throws {
        let minka = try await world.readySubject()
        let model = await ready(world)
        model.begin(with: minka.id)
        model.setCount(3)
        model.setGuidance(99)
        model.setSteps(0)
        let third = try #require(try await painted(model).last)
        model.setPrompt("something else")
        model.begin(with: third)
        let state = model.state
        #expect(state.used == [minka] && !state.newSeedEachTime)
        #expect(
            state.settings
                == PaintSettings(
                    prompt: third.prompt, negativePrompt: "blurry", seed: third.seed, steps: 1,
                    guidance: PaintUiState.guidances.upperBound, count: 3))
        #expect(try await painted(model).last?.seed == third.seed)
    }

    @Test func deletedSubjectsAndPicturesAreNotShown() async throws {
        let minka = try await world.readySubject()
        let model = await ready(world)
        model.begin(with: minka.id)
        let picture = try #require(try await painted(model).first)
        try await world.subjects.delete(minka.id)
        try await world.pictures.delete(picture.id)
        #expect(model.state.used == [] && model.state.subjects == [] && model.state.painted == [])
    }
}
