import Foundation
import Likeness

/// Adapters of several subjects made into one, kept so that the same pair is merged once. The files' names hold the
/// subjects' ids: deleting a subject deletes them too.
@MainActor
final class MergedAdapters {
    private let layout: StorageLayout
    private let disk: Disk
    private let trash: Trash
    private let subjects: SubjectStore

    init(layout: StorageLayout, disk: Disk, trash: Trash, subjects: SubjectStore) {
        self.layout = layout
        self.disk = disk
        self.trash = trash
        self.subjects = subjects
    }

    /// One file that knows all of `ids`; of one subject its own. Throws what ``Studio/mergeAdapters(_:into:)`` throws.
    func file(for ids: [ItemID], _ studio: any Studio) async throws -> URL {
        if ids.count == 1 { return subjects.files(ids[0]).adapter }
        let sorted = ids.sorted { $0.text < $1.text }
        let file = layout.merged.appending(path: sorted.map(\.text).joined(separator: "-") + ".safetensors")
        if await offMain({ exists(file) }) { return file }
        try await merge(sorted, into: file, studio)
        return file
    }

    private func merge(_ ids: [ItemID], into file: URL, _ studio: any Studio) async throws {
        try await offMain { [disk, layout] in try disk.makeFolder(layout.merged) }
        var opened: [any Adapter] = []
        defer { opened.forEach { $0.close() } }
        for id in ids { opened.append(try await studio.loadAdapter(subjects.files(id).adapter)) }
        try await studio.mergeAdapters(opened, into: file)
        // A subject that was deleted meanwhile leaves no trace here either.
        guard ids.allSatisfy({ subjects.find($0) != nil }) else {
            try await offMain { [trash] in try trash.delete(file) }
            throw StorageError.failed("A subject of the prompt was deleted meanwhile.")
        }
    }
}
