import Foundation
import Testing

@testable import App

@MainActor
struct PicturesTests {
    private let world = World()
    private let note = KeptPicture(
        id: ItemID(), prompt: "a <my-minka> cat", negativePrompt: "", seed: 42, index: 0, steps: 20, guidance: 4,
        subjects: ["Minka"], createdAt: 1)

    private func kept() async throws -> PictureViewModel {
        await world.graph.ready()
        try await world.pictures.keep(plainPicture(1), note)
        return ViewModels(world.graph).picture(note.id)
    }

    @Test func theListFollowsTheStore() async throws {
        let model = ViewModels(world.graph).pictures
        #expect(model.state.pictures == [])
        _ = try await kept()
        #expect(model.state.pictures == [note])
        #expect(exists(model.file(note.id)))
    }

    @Test func addsToThePhotoLibrary() async throws {
        let model = try await kept()
        await model.save()
        #expect(model.state.saved && !model.state.saving)
        let bytes = try Data(contentsOf: model.file)
        #expect(world.library.added.withLock { $0 } == [bytes])
        model.dismissMessage()
        #expect(!model.state.saved)
    }

    @Test func saysWhyItCouldNotAdd() async throws {
        let model = try await kept()
        world.library.failure.withLock { $0 = PhotoLibraryError.notAllowed }
        await model.save()
        #expect(model.state.problem?.kind == .photosNotAllowed)
        #expect(!model.state.saving && !model.state.saved)
        await model.save()
        #expect(model.state.saved && model.state.problem == nil)
    }

    @Test func sharesTheFileWithoutThePromptInItsName() async throws {
        let model = try await kept()
        let before = world.folder.files
        await model.share()
        let shared = try #require(model.state.sharing)
        #expect(shared.lastPathComponent == "likeness-42-\(note.id.text.prefix(4)).png")
        #expect(try Data(contentsOf: shared) == Data(contentsOf: model.file))
        await model.shared()
        #expect(model.state.sharing == nil)
        #expect(world.folder.files == before)
    }

    @Test func deletesForGood() async throws {
        let model = try await kept()
        await model.delete()
        #expect(model.state.picture == nil)
        #expect(world.folder.files == [])
    }
}
