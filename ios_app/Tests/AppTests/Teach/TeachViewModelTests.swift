import Foundation
import Likeness
import Testing

@testable import App

@MainActor
struct TeachViewModelTests {
    private let world = World()

    private func loaded(_ world: World) async throws -> TeachViewModel {
        let model = ViewModels(world.graph).teach()
        try await wait(for: { model.state }) { $0.loaded }
        return model
    }

    private func filled(_ world: World) async throws -> TeachViewModel {
        let model = try await loaded(world)
        await model.addPhotos([FakePhoto](repeating: FakePhoto(side: 64), count: 3))
        model.setName(" Minka ")
        model.setClassName("Cat")
        return model
    }

    private func forecast(_ model: TeachViewModel) async throws -> Forecast {
        let state = try await wait(for: { model.state }) { if case .known = $0.forecast { true } else { false } }
        guard case .known(let forecast) = state.forecast else { throw CancellationError() }
        return forecast
    }

    @Test func tellsWhatItTakesAndStarts() async throws {
        let model = try await filled(world)
        let forecast = try await forecast(model)
        #expect(!forecast.timeIsMeasured)
        #expect(forecast.seconds > 0)
        #expect(forecast.memoryBytes == 1000 && !forecast.memoryIsShort)
        #expect(forecast.storageBytes == 3000 && !forecast.storageIsShort)
        #expect(forecast.batteryPercent == nil)
        #expect(model.state.canStart)
        await model.start()
        let id = try #require(model.state.startedID)
        let subject = try #require(world.subjects.find(id))
        #expect(subject.name == "Minka")
        #expect(subject.className == "cat")
        #expect(subject.tokens == ["<my-minka>"])
        #expect(subject.state == .learning)
        #expect(subject.createdAt == 7)
        #expect(world.graph.drafts.read() == Draft())
        #expect(world.time.continued == ["Minka"])
        try await world.until(.done)
    }

    @Test func photosThatComeBeforeTheDraftIsReadAreKept() async throws {
        let model = ViewModels(world.graph).teach()
        await model.addPhotos([FakePhoto(side: 64), FakePhoto(side: 64)])
        #expect(model.state.photos == [0, 1])
    }

    @Test func knowsWhatThisPhoneShowedBefore() async throws {
        try world.graph.measurements.record(Measured(secondsPerStep: 90, percentPerHour: 12))
        let forecast = try await forecast(filled(world))
        #expect(forecast.timeIsMeasured)
        #expect(forecast.seconds == 20 * 90)
        #expect(forecast.batteryPercent == 6)
        #expect(world.fake.generated == [])
    }

    @Test func saysWhatIsShort() throws {
        let plan = Plan(
            steps: 20, stepsDone: 0, photos: 1, views: 8, instanceRows: 2, priorRows: 2, memoryBytes: 1000,
            residentMemoryBytes: 2000, journalBytes: 3000, staged: false, priorClass: "cat")
        let short = Forecast(
            plan, Measured(), triedSecondsPerStep: 1, PhoneResources(freeMemoryBytes: 999, freeStorageBytes: 2999))
        #expect(short.memoryIsShort && short.storageIsShort)
        let enough = Forecast(
            plan, Measured(), triedSecondsPerStep: 1, PhoneResources(freeMemoryBytes: 1000, freeStorageBytes: 3000))
        #expect(!enough.memoryIsShort && !enough.storageIsShort)
    }

    @Test func nothingIsPlannedWithoutPhotosOrClass() async throws {
        let model = try await loaded(world)
        model.setClassName("cat")
        #expect(model.state.forecast == .nothingToPlan)
        await model.addPhotos([FakePhoto(side: 64)])
        _ = try await forecast(model)
        model.setClassName(" ")
        #expect(model.state.forecast == .nothingToPlan)
        #expect(!model.state.canStart)
    }

    @Test func aNameOfNothingToSeeIsNone() async throws {
        let model = try await filled(world)
        _ = try await forecast(model)
        model.setName(" \u{200B} ")
        #expect(!model.state.canStart)
    }

    @Test func photosThatCannotBeUsedAreCountedAndTheOthersStay() async throws {
        let model = try await loaded(world)
        await model.addPhotos([64, nil, 31, 64].map(FakePhoto.init))
        #expect(model.state.photos == [0, 1])
        #expect(model.state.refused == 2)
        #expect(model.state.problem?.kind == .badPhoto)
        model.dismissProblem()
        #expect(model.state.problem == nil && model.state.refused == 0)
    }

    @Test func noMorePhotosThanThereIsRoomFor() async throws {
        let model = try await loaded(world)
        await model.addPhotos([FakePhoto](repeating: FakePhoto(side: 32), count: TeachUiState.mostPhotos + 3))
        #expect(model.state.photos.count == TeachUiState.mostPhotos)
        #expect(!model.state.canAdd)
    }

    @Test func photosCanBeTakenOut() async throws {
        let model = try await loaded(world)
        await model.addPhotos([FakePhoto(side: 64), FakePhoto(side: 64)])
        await model.removePhoto(0)
        #expect(model.state.photos == [1])
        #expect(await model.photo(0) == nil)
        #expect(await model.photo(1)?.width == 64)
    }

    @Test func theDraftSurvivesTheProcess() async throws {
        let model = try await filled(world)
        _ = try await forecast(model)
        let drafts = world.graph.drafts
        try await wait(for: { drafts.read() }) { $0.name == " Minka " && $0.className == "Cat" }
        let next = World(world.folder)
        let again = try await loaded(next)
        #expect(again.state.name == " Minka " && again.state.className == "Cat" && again.state.photos == [0, 1, 2])
        _ = try await forecast(again)
    }

    @Test func discardingForgetsThePhotos() async throws {
        let model = try await filled(world)
        _ = try await forecast(model)
        await model.discard()
        #expect(model.state.discarded && model.state.photos.isEmpty && model.state.name.isEmpty)
        #expect(world.folder.files.filter { $0.hasPrefix("draft") } == [])
        // Nothing that was typed before comes back later.
        try await Task.sleep(for: .milliseconds(400))
        #expect(world.folder.files.filter { $0.hasPrefix("draft") } == [])
    }

    @Test func aPlanThatFailsSaysWhy() async throws {
        let model = try await loaded(world)
        await model.addPhotos([FakePhoto(side: 64)])
        world.fake.failNext(.createSession, .diskFull("no space"))
        model.setClassName("cat")
        let failed = ForecastState.failed(Problem(.storageFull, "no space"))
        try await wait(for: { model.state }) { $0.forecast == failed }
        #expect(!model.state.canStart)
    }

    @Test func aStartThatFailsKeepsThePhotos() async throws {
        let model = try await filled(world)
        _ = try await forecast(model)
        world.volume.room = 0
        await model.start()
        #expect(model.state.problem?.kind == .storageFull)
        #expect(model.state.startedID == nil)
        world.volume.room = .max
        #expect(world.graph.drafts.read().photos.count == 3)
        await model.start()
        #expect(model.state.startedID != nil)
        await world.worker.finished()
    }

    @Test func aModelThatDoesNotOpenIsSaid() async throws {
        world.openFailure.withLock { $0 = LikenessError.diskFull("no space") }
        let model = ViewModels(world.graph).teach()
        try await wait(for: { model.state }) { $0.problem?.kind == .storageFull }
    }

    @Test func suggestsTheModelsClasses() async throws {
        let model = ViewModels(world.graph).teach()
        try await wait(for: { model.state }) { $0.classes == ["cat", "dog", "mug"] }
    }
}
