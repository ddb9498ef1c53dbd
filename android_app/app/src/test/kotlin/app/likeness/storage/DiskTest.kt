package app.likeness.storage

import app.likeness.WorldTest
import app.likeness.filesUnder
import java.io.File
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class DiskTest : WorldTest() {
    private val file get() = File(root, "folder/file")

    @Test
    fun writesAndReplaces() {
        world.disk.write(file, byteArrayOf(1, 2))
        world.disk.write(file, byteArrayOf(3))
        assertContentEquals(byteArrayOf(3), file.readBytes())
        assertEquals(setOf("file"), filesUnder(file.parentFile))
    }

    @Test
    fun aFullStorageLeavesTheOldFileAndNothingElse() {
        world.disk.write(file, byteArrayOf(1, 2))
        world.disk.room = 5
        assertFailsWith<StorageFullException> { world.disk.write(file, ByteArray(100)) }
        assertContentEquals(byteArrayOf(1, 2), file.readBytes())
        assertEquals(setOf("file"), filesUnder(file.parentFile))
    }

    @Test
    fun aWriterThatFailsLeavesTheOldFile() {
        world.disk.write(file, byteArrayOf(1))
        assertFailsWith<IOException> { world.disk.write(file) { throw IOException("the source broke off") } }
        assertContentEquals(byteArrayOf(1), file.readBytes())
        assertEquals(setOf("file"), filesUnder(file.parentFile))
    }

    @Test
    fun atEveryInstantOfAWriteTheOldFileIsWhole() {
        world.disk.write(file, byteArrayOf(1))
        world.disk.write(file) { out ->
            repeat(200_000) { out.write(2) }
            assertContentEquals(byteArrayOf(1), file.readBytes())
        }
        assertEquals(200_000, file.length())
    }

    @Test
    fun saysHowMuchRoomIsMissing() {
        world.disk.room = 1_000_000
        val error = assertFailsWith<StorageFullException> { world.disk.needRoom(root, 5_000_000) }
        assertEquals("5 MB are needed, 1 MB are free.", error.message)
    }

    /** A file lies where the trash should be: as on a full disk, no folder can be made. */
    @Test
    fun deletingNeedsNoRoom() {
        world.disk.write(file, byteArrayOf(1))
        File(root, "trash").writeText("")
        world.trash.delete(file.parentFile)
        assertEquals(setOf("trash"), filesUnder(root))
    }

    @Test
    fun aDeletionThatWasInterruptedIsFinished() {
        File(root, "trash/0123/photos").mkdirs()
        File(root, "trash/0123/photos/0000.ppm").writeText("P6")
        world.subjects.load()
        assertEquals(emptySet(), filesUnder(root))
    }
}
