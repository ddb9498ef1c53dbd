import Foundation
import Testing

@testable import App

@MainActor
struct DiskTests {
    private let world = World()
    private var disk: Disk { world.graph.disk }
    private var file: URL { world.folder.root.appending(path: "folder/file") }

    private func isFull(_ work: () throws -> Void) -> Bool {
        do {
            try work()
            return false
        } catch {
            if case StorageError.full = error { return true }
            return false
        }
    }

    @Test func writesAndReplaces() throws {
        try disk.write(file, Data([1, 2]))
        try disk.write(file, Data([3]))
        #expect(try Data(contentsOf: file) == Data([3]))
        #expect(filesUnder(file.deletingLastPathComponent()) == ["file"])
    }

    @Test func aFullStorageLeavesTheOldFileAndNothingElse() throws {
        try disk.write(file, Data([1, 2]))
        world.volume.room = 5
        #expect(isFull { try disk.write(file, Data(count: 100)) })
        #expect(try Data(contentsOf: file) == Data([1, 2]))
        #expect(filesUnder(file.deletingLastPathComponent()) == ["file"])
    }

    @Test func aWriterThatFailsLeavesTheOldFile() throws {
        try disk.write(file, Data([1]))
        #expect(throws: StorageError.failed("the source broke off")) {
            try disk.write(file) { _ in throw StorageError.failed("the source broke off") }
        }
        #expect(try Data(contentsOf: file) == Data([1]))
        #expect(filesUnder(file.deletingLastPathComponent()) == ["file"])
    }

    @Test func atEveryInstantOfAWriteTheOldFileIsWhole() throws {
        try disk.write(file, Data([1]))
        try disk.write(file) { sink in
            for _ in 0..<20 { try sink.write(Data(repeating: 2, count: 10_000)) }
            #expect(try Data(contentsOf: file) == Data([1]))
        }
        #expect(try Data(contentsOf: file).count == 200_000)
    }

    @Test func saysHowMuchRoomIsMissing() {
        world.volume.room = 1_000_000
        #expect(throws: StorageError.full("5 MB are needed, 1 MB are free.")) {
            try disk.needRoom(5_000_000, at: world.folder.root)
        }
    }

    @Test func aFileWhereAFolderShouldBeIsSaid() throws {
        try disk.write(file, Data([1]))
        #expect(throws: StorageError.self) { try disk.write(file.appending(path: "below"), Data([1])) }
    }

    /// A device without room: what the kernel says, not what the fake does.
    @Test(.enabled(if: FileManager.default.isWritableFile(atPath: "/dev/full")))
    func theSystemsFullStorageIsKnownAsOne() throws {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: file.path + Disk.aside, withDestinationPath: "/dev/full")
        let real = Disk(volume: PhoneVolume())
        #expect(isFull { try real.write(file, Data([1])) })
        #expect(real.volume.freeBytes(at: world.folder.root) > 0)
    }

    /// A file lies where the trash should be: as on a full disk, no folder can be made.
    @Test func deletingNeedsNoRoom() throws {
        try disk.write(file, Data([1]))
        try Data().write(to: world.layout.trash)
        try world.graph.trash.delete(file.deletingLastPathComponent())
        #expect(world.folder.files == ["trash"])
    }

    @Test func aDeletionThatWasInterruptedIsFinished() async throws {
        await world.graph.ready()
        try disk.write(world.layout.trash.appending(path: "0123/photos/0000.ppm"), Data("P6".utf8))
        await world.subjects.load()
        #expect(world.folder.files == [])
    }
}
