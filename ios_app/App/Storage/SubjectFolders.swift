import Foundation

/// The subjects' folders on the disk. Functions block and throw ``StorageError``.
struct SubjectFolders: Sendable {
    let layout: StorageLayout
    let disk: Disk
    let trash: Trash

    /// Newest first.
    func all() -> [Subject] {
        contents(of: layout.subjects).compactMap { ItemID($0.lastPathComponent) }.map(read)
            .sorted { ($1.createdAt, $0.id.text) < ($0.createdAt, $1.id.text) }
    }

    /// Makes `prepared`, a folder of this storage with a subject's files, the folder of `subject`: in one step.
    func adopt(_ subject: Subject, _ prepared: URL) throws {
        try NoteFile.write(SubjectNote(subject), to: SubjectFiles(folder: prepared).note, on: disk)
        try disk.makeFolder(layout.subjects)
        try disk.rename(prepared, to: layout.subject(subject.id).folder)
    }

    /// Its adapter is whole: the journal, the resume record and photos that are left go.
    func markReady(_ id: ItemID) throws {
        var subject = read(id)
        let files = layout.subject(id)
        guard exists(files.folder) else { throw StorageError.failed("This subject was deleted.") }
        guard exists(files.adapter) else { throw StorageError.failed("The adapter of \(subject.name) is missing.") }
        subject.state = .ready
        try NoteFile.write(SubjectNote(subject), to: files.note, on: disk)
        try trash.delete(files.journal, files.photos, files.resume)
    }

    func note(_ record: ResumeRecord, of id: ItemID) throws {
        let files = layout.subject(id)
        guard exists(files.folder) else { throw StorageError.failed("This subject was deleted.") }
        try NoteFile.write(record, to: files.resume, on: disk)
    }

    /// Deletes all traces: photos, journal, adapter, preview, adapters merged of it and others, and what is lent of
    /// it.
    func delete(_ id: ItemID) throws {
        let merged = contents(of: layout.merged).filter { $0.lastPathComponent.contains(id.text) }
        try trash.delete([layout.subject(id).folder, layout.outgoing(id)] + merged)
    }

    private func read(_ id: ItemID) -> Subject {
        let files = layout.subject(id)
        guard let note = try? NoteFile.read(SubjectNote.self, from: files.note), note.state != .damaged,
            note.state == .learning || exists(files.adapter)
        else { return .damaged(id) }
        // A subject without a record, or with a damaged one, has not run yet.
        let resume = (try? NoteFile.read(ResumeRecord.self, from: files.resume)) ?? ResumeRecord()
        return Subject(
            id: id, name: note.name, className: note.className, tokens: note.tokens, state: note.state,
            createdAt: note.createdAt, resume: resume)
    }
}
