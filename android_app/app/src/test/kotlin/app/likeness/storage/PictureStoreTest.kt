package app.likeness.storage

import app.likeness.WorldTest
import app.likeness.fakes.plainPicture
import app.likeness.filesUnder
import java.io.File
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class PictureStoreTest : WorldTest() {
    private fun note(createdAt: Long, index: Int = 0) = KeptPicture(
        newId(), "a <my-minka> cat\nin a bucket", "blurry", 42, index, 20, 4.5, listOf("Minka", "Rex"), createdAt,
    )

    @Test
    fun picturesSurviveTheProcessNewestFirst() {
        val notes = listOf(note(1), note(2, index = 1), note(2, index = 0), note(3))
        notes.forEach { world.pictures.keep(plainPicture(1), it) }
        val sorted = listOf(notes[3], notes[2], notes[1], notes[0])
        assertEquals(sorted, world.pictures.pictures.value)
        assertEquals(sorted, newWorld().pictures.pictures.value)
    }

    @Test
    fun deletionLeavesNoTrace() {
        val note = note(1)
        world.pictures.keep(plainPicture(1), note)
        world.pictures.delete(note.id)
        assertEquals(emptySet(), filesUnder(root))
    }

    @Test
    fun aFullStorageKeepsNoHalfPicture() {
        world.disk.room = 100
        assertFailsWith<IOException> { world.pictures.keep(plainPicture(1, 64), note(1)) }
        assertEquals(emptyList(), world.pictures.pictures.value)
        assertEquals(emptyList(), newWorld().pictures.pictures.value)
    }

    @Test
    fun whatAKillLeftHalfGoesAndADamagedNoteIsNoReasonToLoseAPicture() {
        val (whole, noNote, damagedNote, noPicture) = List(4) { note(it.toLong()) }
        listOf(whole, noNote, damagedNote, noPicture).forEach { world.pictures.keep(plainPicture(1), it) }
        world.layout.pictureNote(noNote.id).delete()
        world.layout.picture(noPicture.id).delete()
        world.layout.pictureNote(damagedNote.id).writeText("seed=x")
        File(world.layout.pictures, "strange.txt").writeText("x")
        world.pictures.load()
        assertEquals(setOf(whole.id, damagedNote.id), world.pictures.pictures.value.map { it.id }.toSet())
        assertEquals(4, filesUnder(root).size)
    }
}
