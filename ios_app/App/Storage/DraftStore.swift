import Foundation
import Likeness

/// A subject's name, what it is, and the numbers of its photos, oldest first.
struct Draft: Sendable, Equatable {
    var name = ""
    var className = ""
    var photos: [Int] = []
}

/// The one subject that is being put together. It lies on the disk, so it survives the process; teaching it moves its
/// folder among the subjects' in one step. Functions block and throw ``StorageError``.
final class DraftStore: Sendable {
    private struct Note: Codable {
        let name: String
        let className: String
    }

    private let layout: StorageLayout
    private let disk: Disk
    private let trash: Trash
    private let turn = Locked(())

    init(layout: StorageLayout, disk: Disk, trash: Trash) {
        self.layout = layout
        self.disk = disk
        self.trash = trash
    }

    func read() -> Draft {
        turn.withLock { _ in
            let note = try? NoteFile.read(Note.self, from: names)
            return Draft(name: note?.name ?? "", className: note?.className ?? "", photos: photoNumbers)
        }
    }

    func setNames(_ name: String, _ className: String) throws {
        try turn.withLock { _ in try NoteFile.write(Note(name: name, className: className), to: names, on: disk) }
    }

    func addPhoto(_ photo: Picture) throws {
        try turn.withLock { _ in
            try disk.needRoom(photo.rgb.count, at: layout.root)
            try PhotoFile.write(photo, to: photoFile((photoNumbers.max() ?? -1) + 1), on: disk)
        }
    }

    func readPhoto(_ number: Int) throws -> Picture {
        try PhotoFile.read(photoFile(number))
    }

    func removePhoto(_ number: Int) throws {
        try turn.withLock { _ in try trash.delete(photoFile(number)) }
    }

    /// Deletes names and photos.
    func clear() throws {
        try turn.withLock { _ in try trash.delete(layout.draft) }
    }

    /// The draft's folder, without its names and ready to become a subject's. Throws where there is no photo in it.
    func prepared() throws -> URL {
        try turn.withLock { _ in
            guard !photoNumbers.isEmpty else {
                throw StorageError.failed("There is no photo to learn from; choose some.")
            }
            try trash.delete(names)
            return layout.draft
        }
    }

    private var names: URL { layout.draft.appending(path: "draft.json") }

    private var photos: SubjectFiles { SubjectFiles(folder: layout.draft) }

    private var photoNumbers: [Int] { photoFiles(photos).compactMap { Int($0.lastPathComponent.prefix(4)) } }

    private func photoFile(_ number: Int) -> URL {
        let digits = String(number)
        let padding = String(repeating: "0", count: max(0, 4 - digits.count))
        return photos.photos.appending(path: padding + digits + ".ppm")
    }
}

/// A subject's stored photos, in the order in which they were added. Blocks.
func photoFiles(_ files: SubjectFiles) -> [URL] {
    contents(of: files.photos).filter { file in
        let name = file.lastPathComponent.utf8
        return name.count == 8 && name.suffix(4).elementsEqual(".ppm".utf8)
            && name.prefix(4).allSatisfy { (48...57).contains($0) }
    }
}
