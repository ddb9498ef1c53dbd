import Foundation
import Testing

@testable import App

@MainActor
struct SettingsTests {
    private let world = World.slow()
    private var model: SettingsViewModel { ViewModels(world.graph).settings() }

    @Test func backupsHoldNothingUnlessAsked() async throws {
        await world.graph.ready()
        #expect(world.backups.excluded.withLock { $0 } == true)
        let model = model
        await model.load()
        #expect(model.state.settings.keepOutOfBackups)
        await model.setKeepOutOfBackups(false)
        #expect(world.backups.excluded.withLock { $0 } == false)
        let next = World(world.folder)
        await next.graph.ready()
        #expect(next.backups.excluded.withLock { $0 } == false)
    }

    @Test func whatTheSystemDoesNotFollowIsNotShownAsDone() async throws {
        await world.graph.ready()
        let model = model
        world.backups.failure.withLock { $0 = CocoaError(.fileWriteNoPermission) }
        await model.setKeepOutOfBackups(false)
        #expect(model.state.settings.keepOutOfBackups)
        #expect(model.state.problem?.kind == .storageFailed)
        #expect(world.graph.settings.read().keepOutOfBackups)
    }

    @Test func saysWhatModelItIs() async throws {
        let model = model
        await model.load()
        #expect(model.state.modelName == "fake" && model.state.imageSize == FakeStudio.imageSize)
    }

    @Test func everythingIsDeletedAtOnce() async throws {
        _ = try await world.readySubject("Rex")
        let learning = try await world.newSubject()
        try await world.pictures.keep(
            plainPicture(1),
            KeptPicture(
                id: ItemID(), prompt: "", negativePrompt: "", seed: 1, index: 0, steps: 1, guidance: 1, subjects: [],
                createdAt: 1))
        world.worker.start(learning.id)
        try await world.untilStep(3)
        try world.graph.drafts.addPhoto(plainPicture(1, side: 32))
        let model = model
        #expect(model.state.subjects == 2 && model.state.pictures == 1)
        await model.deleteEverything()
        #expect(model.state.subjects == 0 && model.state.pictures == 0 && !model.state.deleting)
        #expect(model.state.problem == nil)
        #expect(world.folder.files.subtracting(["checked-model.json", "measurements.json"]) == [])
    }
}
