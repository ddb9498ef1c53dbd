package app.likeness.resources

import org.w3c.dom.Element
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class ResourcesTest {
    private val english = AppSources.strings("values")
    private val german = AppSources.strings("values-de")

    @Test
    fun bothLanguagesHaveEveryString() {
        assertTrue(english.size > 100)
        assertEquals(english.keys, german.keys)
    }

    @Test
    fun bothLanguagesHaveTheSameShape() = english.keys.forEach { name ->
        val texts = listOf(english.getValue(name), german.getValue(name))
        assertEquals(1, texts.map { it.tagName }.toSet().size, name)
        assertEquals(1, texts.map(::quantities).toSet().size, name)
        assertEquals(1, texts.map(::placeholders).toSet().size, name)
        texts.forEach { assertTrue(it.textContent.isNotBlank(), name) }
    }

    @Test
    fun germanIsTranslated() {
        val same = english.keys.filter { english.getValue(it).textContent == german.getValue(it).textContent }
        val meant = setOf(
            "app_name",
            "teach_name",
            "teach_name_hint",
            "teach_class_hint",
            "paint_prompt_hint",
            "paint_negative_hint",
            "paint_seed_hint",
            "problem_with_detail",
        )
        assertEquals(meant, same.toSet())
    }

    @Test
    fun nothingIsUnused() {
        val meantForOthers = setOf("xml/data_extraction_rules", "mipmap/ic_launcher", "style/Theme.Likeness")
        val used = AppSources.used()
        assertEquals(emptySet(), AppSources.declared() - used, "declared and not used")
        assertTrue(used.containsAll(meantForOthers))
    }

    @Test
    fun nothingIsMissing() {
        val own = AppSources.used().filter { !it.startsWith("android") && !it.startsWith("style/android") }.toSet()
        val frameworks = Regex("@android:(\\w+)/([\\w.]+)")
        val ofAndroid = AppSources.xml.flatMap { frameworks.findAll(it.readText()) }
            .map { it.groupValues[1] + "/" + it.groupValues[2] }.toSet()
        assertEquals(emptySet(), own - AppSources.declared() - ofAndroid)
    }

    @Test
    fun noTextOutsideTheStrings() = layouts { file, element ->
        listOf("android:text", "android:hint", "android:contentDescription").forEach { attribute ->
            val value = element.getAttribute(attribute)
            assertTrue(value.isEmpty() || value.startsWith("@string/"), "${file.name}: $attribute is $value")
        }
    }

    @Test
    fun textSizesFollowThePersonsSetting() = AppSources.xml.forEach { file ->
        Regex("textSize\">?=?\"?([^\"<]+)").findAll(file.readText()).forEach {
            assertTrue(it.groupValues[1].endsWith("sp"), "${file.name}: a text of ${it.groupValues[1]}")
        }
    }

    @Test
    fun everyPictureAndButtonSaysWhatItIs() = layouts { file, element ->
        val silent = element.getAttribute("android:importantForAccessibility") == "no"
        val described = element.hasAttribute("android:contentDescription") || isDescribedInCode(element)
        val mute = element.tagName in setOf("ImageView", "ImageButton", "SeekBar")
        assertTrue(!mute || silent || described, "${file.name}: ${element.getAttribute("android:id")} says nothing")
    }

    @Test
    fun everyFieldHasALabel() = layouts { file, element ->
        if (element.tagName !in setOf("EditText", "AutoCompleteTextView")) return@layouts
        val id = element.getAttribute("android:id").substringAfter('/')
        assertTrue("labelFor=\"@+id/$id\"" in file.readText(), "${file.name}: $id has no label")
    }

    /** Its description changes with what it shows: a line of the screen's Kotlin sets it. */
    private fun isDescribedInCode(element: Element): Boolean {
        val id = "R.id." + element.getAttribute("android:id").substringAfter('/')
        return AppSources.kotlin.any { source ->
            val text = source.readText()
            id in text && "contentDescription =" in text
        }
    }

    private fun layouts(check: (File, Element) -> Unit) {
        val files = AppSources.xml.filter { it.parentFile.name == "layout" }
        assertTrue(files.size >= 8)
        files.forEach { file -> AppSources.parse(file).let { listOf(it) + it.all("*") }.forEach { check(file, it) } }
    }

    private fun quantities(text: Element) = text.all("item").map { it.getAttribute("quantity") }

    private fun placeholders(text: Element) =
        Regex("%\\d\\$[.\\d]*[sdf]").findAll(text.textContent).map { it.value }.toSortedSet()
}
