package app.likeness.storage

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class NamesTest {
    @Test
    fun namesAreShownInOneLine() {
        assertEquals("Minka the cat", Names.clean("  Minka\n\tthe\u0000 cat "))
        assertEquals("evil txt.exe", Names.clean("evil\u202Etxt.exe"))
        assertEquals(40, Names.clean("x".repeat(100)).length)
        assertEquals("x".repeat(39), Names.clean("x".repeat(39) + "🐈"))
        assertEquals("", Names.clean("\u200B\u2028"))
    }

    @Test
    fun wordsForPromptsAreNew() {
        assertEquals("<my-minka>", Names.token("Minka", emptySet()))
        assertEquals("<my-minka-3>", Names.token("Minka", setOf("<my-minka>", "<my-minka-2>")))
        assertEquals("<my-jose-of-the-house>", Names.token("  José (of the) house!", emptySet()))
        assertEquals("<my-subject>", Names.token("猫", emptySet()))
        assertEquals("<my-subject>", Names.token("../..", emptySet()))
    }

    @Test
    fun idsAreHexAndNothingElse() {
        assertTrue(isId(newId()))
        listOf("", "..", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef/", "../../../../../..").forEach {
            assertFalse(isId(it), it)
            assertFailsWith<IllegalArgumentException> { StorageLayout(java.io.File("root")).subject(it) }
            assertFailsWith<IllegalArgumentException> { StorageLayout(java.io.File("root")).picture(it) }
        }
    }
}
