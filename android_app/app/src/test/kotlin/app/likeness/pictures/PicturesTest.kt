package app.likeness.pictures

import app.likeness.World
import app.likeness.WorldTest
import app.likeness.await
import app.likeness.fakes.plainPicture
import app.likeness.problem.ProblemKind
import app.likeness.storage.KeptPicture
import app.likeness.storage.newId
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

class PicturesTest : WorldTest() {
    private val note = KeptPicture(newId(), "a <my-minka> cat", "", 42, 0, 20, 4.0, listOf("Minka"), 1)

    private fun World.model(): PictureViewModel {
        pictures.keep(plainPicture(1), note)
        return PictureViewModel(note.id, pictures, documents, io, newScope())
    }

    @Test
    fun theListFollowsTheStore() = world.run {
        val model = PicturesViewModel(pictures, newScope())
        assertEquals(emptyList(), model.state.value.pictures)
        pictures.keep(plainPicture(1), note)
        assertEquals(listOf(note), model.state.await { it.pictures.isNotEmpty() }.pictures)
        assertTrue(model.file(note.id).isFile)
    }

    @Test
    fun savesToTheGalleryWithoutThePromptInTheName() = world.run {
        val model = model()
        model.saveToGallery()
        model.state.await { it.saved }
        val (name, bytes) = documents.gallery.entries.single()
        assertContentEquals(model.file.readBytes(), bytes)
        assertFalse("minka" in name)
        model.dismissMessage()
        assertFalse(model.state.value.saved)
    }

    @Test
    fun savesToADocument() = world.run {
        val model = model()
        model.saveTo("content://x")
        model.state.await { it.saved }
        assertContentEquals(model.file.readBytes(), documents.documents.getValue("content://x").bytes)
    }

    @Test
    fun saysWhyItCouldNotSave() = world.run {
        val model = model()
        documents.failure = IOException("the card is gone")
        model.saveToGallery()
        val state = model.state.await { it.problem != null }
        assertEquals(ProblemKind.STORAGE_FAILED, state.problem?.kind)
        assertFalse(state.saving || state.saved)
        model.saveToGallery()
        assertNull(model.state.await { it.saved }.problem)
    }

    @Test
    fun deletesForGood() = world.run {
        val model = model()
        model.delete()
        assertNull(model.state.await { it.deleted }.picture)
        assertFalse(model.file.exists())
    }

    @Test
    fun onlyKeptPicturesAreLent() {
        val id = newId()
        assertEquals(id, sharedPictureId(listOf("$id.png")))
        val refused = listOf(
            listOf(id), listOf("$id.properties"), listOf("$id.PNG"), listOf("..", "$id.png"), listOf("../$id.png"),
            listOf("..%2f$id.png"), listOf("${id}0.png"), listOf(".png"), emptyList(),
        )
        refused.forEach { assertNull(sharedPictureId(it), "$it") }
    }
}
