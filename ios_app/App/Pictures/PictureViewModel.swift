import Foundation
import Observation

/// What the screen shows of one picture.
struct PictureUiState: Sendable, Equatable {
    /// nil where it was deleted; the screen is done.
    var picture: KeptPicture?
    var saving = false
    /// It was added to the photo library just now.
    var saved = false
    /// The file that waits to be handed to another app.
    var sharing: URL?
    var problem: Problem?
}

/// One kept picture: how it was painted; sharing it, adding it to the photo library, deleting it.
@MainActor @Observable
final class PictureViewModel {
    let id: ItemID
    @ObservationIgnored private let store: PictureStore
    @ObservationIgnored private let library: any PhotoLibrary
    @ObservationIgnored private let outgoing: Outgoing
    private var saving = false
    private var saved = false
    private var sharing: URL?
    private var problem: Problem?

    init(_ id: ItemID, store: PictureStore, library: any PhotoLibrary, outgoing: Outgoing) {
        self.id = id
        self.store = store
        self.library = library
        self.outgoing = outgoing
    }

    var state: PictureUiState {
        PictureUiState(picture: store.find(id), saving: saving, saved: saved, sharing: sharing, problem: problem)
    }

    var file: URL { store.file(id) }

    /// What the file is called outside. The prompt is not in it: a name is seen by whoever gets the picture.
    var fileName: String { "likeness-\(store.find(id)?.seed ?? 0)-\(id.text.prefix(4)).png" }

    func share() async {
        let (file, name) = (file, fileName)
        await trying { sharing = try await offMain { [outgoing, id] in try outgoing.lend(file, as: name, owner: id) } }
    }

    /// The other app has it, or the person thought better of it.
    func shared() async {
        sharing = nil
        try? await offMain { [outgoing, id] in try outgoing.takeBack(from: id) }
    }

    func save() async {
        guard !saving else { return }
        saving = true
        saved = false
        await trying {
            try await library.add(file)
            saved = true
        }
        saving = false
    }

    func delete() async {
        await trying { try await store.delete(id) }
    }

    func dismissMessage() {
        saved = false
        problem = nil
    }

    private func trying(_ work: () async throws -> Void) async {
        problem = nil
        do {
            try await work()
        } catch {
            problem = Problem(error)
        }
    }
}
