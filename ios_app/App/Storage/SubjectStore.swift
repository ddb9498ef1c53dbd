import Foundation
import Observation

/// The subjects on this phone. Functions throw ``StorageError`` where the storage fails.
@MainActor @Observable
final class SubjectStore {
    /// Newest first; empty until ``load()``.
    private(set) var subjects: [Subject] = []

    @ObservationIgnored private let folders: SubjectFolders
    @ObservationIgnored private let shelf: Shelf<Subject>
    @ObservationIgnored private var shownListing = 0

    init(layout: StorageLayout, disk: Disk, trash: Trash) {
        let folders = SubjectFolders(layout: layout, disk: disk, trash: trash)
        self.folders = folders
        shelf = Shelf { folders.all() }
    }

    /// Reads the folders and finishes what a kill interrupted: deletions, and files on their way in or out.
    func load() async {
        let folders = folders
        // What cannot be removed is out of sight, and the next start tries again.
        try? await change { try folders.trash.delete(folders.layout.incoming, folders.layout.outgoing) }
    }

    func find(_ id: ItemID) -> Subject? {
        subjects.first { $0.id == id }
    }

    nonisolated func files(_ id: ItemID) -> SubjectFiles {
        folders.layout.subject(id)
    }

    /// Words, in small letters, that a new subject cannot have: two subjects can always be in one prompt.
    var takenTokens: Set<String> {
        Set(subjects.flatMap(\.tokens).map { $0.lowercased() })
    }

    /// As ``SubjectFolders/adopt(_:_:)``.
    func adopt(_ subject: Subject, _ prepared: URL) async throws {
        try await change { [folders] in try folders.adopt(subject, prepared) }
    }

    /// As ``SubjectFolders/markReady(_:)``.
    func markReady(_ id: ItemID) async throws {
        try await change { [folders] in try folders.markReady(id) }
    }

    func note(_ record: ResumeRecord, of id: ItemID) async throws {
        try await change { [folders] in try folders.note(record, of: id) }
    }

    /// Photos are needed no longer once they are encoded.
    func deletePhotos(_ id: ItemID) async throws {
        try await change { [folders] in try folders.trash.delete(folders.layout.subject(id).photos) }
    }

    /// The journal cannot be used; the photos are there to begin again with.
    func deleteJournal(_ id: ItemID) async throws {
        try await change { [folders] in try folders.trash.delete(folders.layout.subject(id).journal) }
    }

    /// As ``SubjectFolders/delete(_:)``.
    func delete(_ id: ItemID) async throws {
        try await change { [folders] in try folders.delete(id) }
    }

    /// What is shown afterwards is what is there, also where not all of it could be done.
    private func change(_ work: @escaping @Sendable () throws -> Void) async throws {
        let listing = await offMain { [shelf] in shelf.change(work) }
        if listing.number > shownListing {
            shownListing = listing.number
            subjects = listing.items
        }
        if let failure = listing.failure { throw failure }
    }
}
