import Foundation
import Likeness

/// Painted pictures on the disk, each with a note of how it was painted. Functions block and throw ``StorageError``.
struct PictureFolder: Sendable {
    let layout: StorageLayout
    let disk: Disk
    let trash: Trash

    /// Newest first, those of one painting in its order.
    func all() -> [KeptPicture] {
        ids.filter(isWhole).map(read).sorted {
            ($1.createdAt, $0.index, $0.id.text) < ($0.createdAt, $1.index, $1.id.text)
        }
    }

    /// Deletes everything that is not a picture with its note.
    func deletePartial() throws {
        let partial = contents(of: layout.pictures).filter { file in
            let id = ItemID(String(file.lastPathComponent.prefix { $0 != "." }))
            let isOurs = id.map { file == layout.picture($0) || file == layout.pictureNote($0) } ?? false
            return !isOurs || !(id.map(isWhole) ?? false)
        }
        try trash.delete(partial)
    }

    /// The note comes last and makes the picture count.
    func keep(_ picture: Picture, _ note: KeptPicture) throws {
        try disk.write(layout.picture(note.id), Png.encode(picture))
        try NoteFile.write(PictureNote(note), to: layout.pictureNote(note.id), on: disk)
    }

    func delete(_ id: ItemID) throws {
        try trash.delete(layout.pictureNote(id), layout.picture(id), layout.outgoing(id))
    }

    private var ids: [ItemID] {
        contents(of: layout.pictures).filter { $0.pathExtension == "png" }
            .compactMap { ItemID($0.deletingPathExtension().lastPathComponent) }
    }

    private func isWhole(_ id: ItemID) -> Bool {
        exists(layout.picture(id)) && exists(layout.pictureNote(id))
    }

    /// A picture whose note is damaged is kept all the same.
    private func read(_ id: ItemID) -> KeptPicture {
        let note = try? NoteFile.read(PictureNote.self, from: layout.pictureNote(id))
        return (note ?? PictureNote()).picture(id)
    }
}

/// What a picture's JSON file says.
private struct PictureNote: Codable {
    var prompt = ""
    var negativePrompt = ""
    var seed: UInt64 = 0
    var index = 0
    var steps = 0
    var guidance = 0.0
    var subjects: [String] = []
    var createdAt = 0

    init() {}

    init(_ picture: KeptPicture) {
        prompt = picture.prompt
        negativePrompt = picture.negativePrompt
        seed = picture.seed
        index = picture.index
        steps = picture.steps
        guidance = picture.guidance
        subjects = picture.subjects
        createdAt = picture.createdAt
    }

    func picture(_ id: ItemID) -> KeptPicture {
        KeptPicture(
            id: id, prompt: prompt, negativePrompt: negativePrompt, seed: seed, index: index, steps: steps,
            guidance: guidance, subjects: subjects, createdAt: createdAt)
    }
}
