import Foundation
import Likeness
import Observation

/// How a kept picture was painted: enough to paint it again.
struct KeptPicture: Sendable, Equatable, Identifiable {
    let id: ItemID
    var prompt: String
    var negativePrompt: String
    var seed: UInt64
    /// Its place among the pictures of one seed, from 0.
    var index: Int
    var steps: Int
    var guidance: Double
    /// Names of the subjects in it, as they were then.
    var subjects: [String]
    /// Milliseconds since 1970.
    var createdAt: Int
}

/// Painted pictures. Functions throw ``StorageError``.
@MainActor @Observable
final class PictureStore {
    /// Newest first; empty until ``load()``.
    private(set) var pictures: [KeptPicture] = []

    @ObservationIgnored private let folder: PictureFolder
    @ObservationIgnored private let shelf: Shelf<KeptPicture>
    @ObservationIgnored private var shownListing = 0

    init(layout: StorageLayout, disk: Disk, trash: Trash) {
        let folder = PictureFolder(layout: layout, disk: disk, trash: trash)
        self.folder = folder
        shelf = Shelf { folder.all() }
    }

    /// Reads the folder. A picture without its note, or a note without its picture, was never whole: it goes.
    func load() async {
        // What cannot be deleted is not shown, and the next start tries again.
        try? await change { [folder] in try folder.deletePartial() }
    }

    nonisolated func file(_ id: ItemID) -> URL {
        folder.layout.picture(id)
    }

    func find(_ id: ItemID) -> KeptPicture? {
        pictures.first { $0.id == id }
    }

    func keep(_ picture: Picture, _ note: KeptPicture) async throws {
        try await change { [folder] in try folder.keep(picture, note) }
    }

    func delete(_ id: ItemID) async throws {
        try await change { [folder] in try folder.delete(id) }
    }

    private func change(_ work: @escaping @Sendable () throws -> Void) async throws {
        let listing = await offMain { [shelf] in shelf.change(work) }
        if listing.number > shownListing {
            shownListing = listing.number
            pictures = listing.items
        }
        if let failure = listing.failure { throw failure }
    }
}
