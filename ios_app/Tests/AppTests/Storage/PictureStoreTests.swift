import Foundation
import Testing

@testable import App

@MainActor
struct PictureStoreTests {
    private let world = World()
    private var pictures: PictureStore { world.pictures }

    private func note(_ createdAt: Int, index: Int = 0) -> KeptPicture {
        KeptPicture(
            id: ItemID(), prompt: "a <my-minka> cat\nin a bucket", negativePrompt: "blurry", seed: .max, index: index,
            steps: 20, guidance: 4.5, subjects: ["Minka", "Rex"], createdAt: createdAt)
    }

    @Test func picturesSurviveTheProcessNewestFirst() async throws {
        let notes = [note(1), note(2, index: 1), note(2, index: 0), note(3)]
        for note in notes { try await pictures.keep(plainPicture(1), note) }
        let sorted = [notes[3], notes[2], notes[1], notes[0]]
        #expect(pictures.pictures == sorted)
        let next = World(world.folder)
        await next.graph.ready()
        #expect(next.pictures.pictures == sorted)
    }

    @Test func deletionLeavesNoTrace() async throws {
        await world.graph.ready()
        let note = note(1)
        try await pictures.keep(plainPicture(1), note)
        _ = try world.graph.outgoing.lend(pictures.file(note.id), as: "x.png", owner: note.id)
        try await pictures.delete(note.id)
        #expect(world.folder.files == [])
    }

    @Test func aFullStorageKeepsNoHalfPicture() async throws {
        await world.graph.ready()
        world.volume.room = 100
        await #expect(throws: StorageError.self) { try await pictures.keep(plainPicture(1, side: 64), note(1)) }
        #expect(pictures.pictures == [])
        #expect(world.folder.files == [])
    }

    @Test func whatAKillLeftHalfGoesAndADamagedNoteIsNoReasonToLoseAPicture() async throws {
        let notes = (0..<4).map { note($0) }
        for note in notes { try await pictures.keep(plainPicture(1), note) }
        let (whole, noNote, damagedNote, noPicture) = (notes[0], notes[1], notes[2], notes[3])
        try FileManager.default.removeItem(at: world.layout.pictureNote(noNote.id))
        try FileManager.default.removeItem(at: world.layout.picture(noPicture.id))
        try Data("seed=x".utf8).write(to: world.layout.pictureNote(damagedNote.id))
        for name in ["strange.txt", "\(whole.id.text).png.part", "\(whole.id.text).jpg"] {
            try Data("x".utf8).write(to: world.layout.pictures.appending(path: name))
        }
        await pictures.load()
        #expect(Set(pictures.pictures.map(\.id)) == [whole.id, damagedNote.id])
        #expect(world.folder.files.count == 4)
    }
}
