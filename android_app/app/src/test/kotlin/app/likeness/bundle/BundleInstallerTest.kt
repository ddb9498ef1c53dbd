package app.likeness.bundle

import app.likeness.WorldTest
import app.likeness.filesUnder
import app.likeness.storage.StorageFullException
import java.io.File
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class BundleInstallerTest : WorldTest() {
    private val bundle get() = world.layout.bundle
    private val plenty = 100_000_000L

    private fun install() = world.installer.install { _, _ -> }

    private fun assertWhole() {
        assertTrue(world.installer.isInstalled())
        assertEquals(world.source.content, filesUnder(bundle).associateWith { File(bundle, it).readText() })
    }

    @Test
    fun copiesEverythingAndTellsHowFarItIs() {
        val told = mutableListOf<Pair<Long, Long>>()
        assertFalse(world.installer.isInstalled())
        world.installer.install { done, total -> told += done to total }
        assertWhole()
        assertEquals(listOf(4L to 9L, 6L to 9L, 9L to 9L), told)
    }

    @Test
    fun aHalfCopyIsNoBundleAndIsGoneOnWith() {
        world.source.broken = "tokenizer/vocab.json"
        assertFailsWith<IOException> { install() }
        assertFalse(world.installer.isInstalled())
        world.source.opened.clear()
        install()
        assertWhole()
        assertFalse("methods/a.pte" in world.source.opened, "a whole file was copied again")
    }

    @Test
    fun aFileThatAKillCutOffIsCopiedAgain() {
        File(bundle, "methods/a.pte.part").apply { parentFile.mkdirs() }.writeText("aa")
        File(bundle, "methods/a.pte").writeText("aaa")
        File(bundle, "stranger").writeText("x")
        install()
        assertWhole()
    }

    @Test
    fun aFullStorageIsSaidBeforeAnythingIsCopied() {
        world.disk.room = 8_000_000
        assertFailsWith<StorageFullException> { install() }
        assertEquals(emptySet(), filesUnder(root))
        world.disk.room = plenty
        install()
        assertWhole()
    }

    @Test
    fun anotherVersionReplacesTheCopy() {
        install()
        world.source.content = mapOf("manifest.json" to "{2}", "methods/a.pte" to "AAAA", "methods/b.pte" to "b")
        assertFalse(world.installer.isInstalled())
        install()
        assertWhole()
    }

    @Test
    fun aKillWhileAVersionIsReplacedLeavesNoMixture() {
        install()
        world.source.content = mapOf("manifest.json" to "{2}", "methods/a.pte" to "AAAA", "methods/b.pte" to "b")
        world.source.broken = "methods/b.pte"
        assertFailsWith<IOException> { install() }
        assertFalse(world.installer.isInstalled())
        install()
        assertWhole()
    }

    @Test
    fun anAppWithoutAModelSaysSo() {
        world.source.content = mapOf("readme" to "x")
        assertFailsWith<IOException> { install() }
    }

    @Test
    fun stoppingIsPossible() {
        assertFailsWith<InterruptedException> { world.installer.install { _, _ -> throw InterruptedException() } }
        assertFalse(world.installer.isInstalled())
        install()
        assertWhole()
    }
}
